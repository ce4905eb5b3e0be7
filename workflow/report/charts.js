// Draws the charts of the report when they come into view. Without it, the page has its tables and static figures.
// No eval is used: Vega's interpreter evaluates expressions. Names of the records are only ever set as text.
(() => {
  "use strict";
  const boxes = Array.from(document.querySelectorAll(".chart[data-kind]"));
  if (!boxes.length || typeof DecompressionStream === "undefined" || typeof IntersectionObserver === "undefined") return;

  const unpack = async (id) => {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent.trim()), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  const kept = new Map();
  const once = (name, make) => {
    if (!kept.has(name)) kept.set(name, make());
    return kept.get(name);
  };
  const library = () => once("library", async () => {
    const script = document.createElement("script");
    const own = document.querySelector("script[nonce]");
    if (own) script.nonce = own.nonce;
    script.textContent = await unpack("chart-library");
    document.head.append(script);
  });
  // Numbers may be steps from one to the next.
  const restore = (column) => {
    let at = 0;
    return Array.isArray(column) ? column : column.steps.map((step) => (step === null ? null : (at += step) / column.scale));
  };
  const dataOf = (id) => once(id, async () => {
    const { specs, tables } = JSON.parse(await unpack(id));
    const rows = (name) => once(`${id} ${name}`, () => {
      const fields = Object.keys(tables[name]);
      const columns = fields.map((field) => restore(tables[name][field]));
      const length = fields.length ? columns[0].length : 0;
      return Array.from({ length }, (_, at) => Object.fromEntries(fields.map((field, place) => [field, columns[place][at]])));
    });
    return { specs, rows };
  });

  const el = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  };
  const svg = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };

  const paper = () => {
    for (let at = document.querySelector("main") || document.body; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (color && color !== "transparent" && !/^rgba\(.*, 0\)$/.test(color)) return color;
    }
    return "#ffffff";
  };
  const isDark = () => {
    const [red, green, blue] = (paper().match(/[\d.]+/g) || []).map(Number);
    return paper().startsWith("rgb") && red * 0.3 + green * 0.6 + blue * 0.1 < 110;
  };
  const recolor = (value, colors) => {
    if (typeof value === "string") return Object.hasOwn(colors, value) ? colors[value] : value;
    if (Array.isArray(value)) return value.map((one) => recolor(one, colors));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, recolor(one, colors)]));
  };
  const put = (spec, pointer, value) => {
    const steps = pointer.split("/").slice(1);
    const last = steps.pop();
    steps.reduce((at, step) => at[step], spec)[last] = structuredClone(value);
  };
  const look = (dark) => {
    const [ink, soft, line] = dark ? ["#e4e7eb", "#aab2bd", "#3a414b"] : ["#1c1f23", "#4a515c", "#e3e6ea"];
    return {
      // Saved pictures have it too; light text on no background could not be read elsewhere.
      background: paper(),
      font: 'system-ui, "Segoe UI", "DejaVu Sans", sans-serif',
      view: { stroke: line },
      axis: { labelColor: soft, titleColor: ink, gridColor: line, domainColor: soft, tickColor: soft, labelFontSize: 11,
        titleFontSize: 12, titleFontWeight: 500, labelOverlap: "greedy", tickCount: 6 },
      axisQuantitative: { labelFlush: true },
      legend: { labelColor: soft, titleColor: ink, labelFontSize: 11, titleFontSize: 11, titleFontWeight: 500, columns: 6 },
      text: { color: ink },
    };
  };

  // One box for all charts, which hovering shows.
  const tip = el("div", { class: "chart-tip", hidden: true, "aria-hidden": "true" });
  document.body.append(tip);
  const format = (value, unit) => {
    const text = typeof value === "number"
      ? value.toLocaleString("en-US", { maximumSignificantDigits: 6, useGrouping: Math.abs(value) >= 10000 }) : String(value);
    return unit === "%" ? `${text}%` : text;
  };
  const showTip = (event, datum, rows) => {
    const known = datum ? rows.filter(([field]) => datum[field] !== null && datum[field] !== undefined) : [];
    tip.hidden = known.length === 0;
    if (tip.hidden) return;
    tip.replaceChildren(...known.flatMap(([field, label, unit]) => [el("b", {}, label), el("span", {}, format(datum[field], unit))]));
    tip.dataset.link = datum.link || "";
    if (event.pointerType === "touch" && datum.link) tip.append(el("i", {}, "Tap again to go to the record."));
    const { innerWidth, innerHeight } = window;
    const { width, height } = tip.getBoundingClientRect();
    const left = event.clientX + 14 + width > innerWidth ? event.clientX - 14 - width : event.clientX + 14;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - height - 8))}px`;
  };

  // Links lead to parts of the page. The script of the page opens what is closed around them.
  const follow = (link) => {
    if (!link.startsWith("#")) return;
    if (location.hash === link) window.dispatchEvent(new HashChangeEvent("hashchange"));
    else location.hash = link;
  };

  // A finger is not precise: places around it, the nearest first.
  const NEAR = [[0, 0]].concat(...[5, 10].map((radius) => Array.from({ length: 8 }, (_, at) =>
    [radius * Math.cos(at * Math.PI / 4), radius * Math.sin(at * Math.PI / 4)])));
  document.addEventListener("pointerdown", (event) => { if (!event.target.closest?.(".chart-plot")) tip.hidden = true; });
  document.addEventListener("scroll", () => { tip.hidden = true; }, { capture: true, passive: true });

  class Drawn {
    constructor(box) {
      this.box = box;
      // For the console of the browser, and for tests of the page.
      box.chart = this;
      this.patches = new Map();
      this.domains = {};
      this.queue = Promise.resolve();
    }

    async start() {
      const { specs, rows } = await dataOf(this.box.dataset.data);
      await library();
      this.spec = specs[this.box.dataset.kind];
      this.rows = rows;
      this.meta = this.spec.usermeta.blindtune;
      this.shown = this.meta.choice ? this.meta.choice.items.map((item) => item.name) : [];
      const zooms = Object.keys(this.meta.zoom).length > 0;
      const keys = `${this.box.dataset.title}. Arrow keys move, + and - zoom, 0 resets.`;
      this.plot = el("div", { class: "chart-plot", role: "group", tabindex: zooms && "0", "aria-label": zooms && keys });
      this.legend = el("div", {});
      this.box.hidden = false;
      this.box.replaceChildren(this.controls(), this.scroller(), this.legend);
      this.plot.addEventListener("keydown", (event) => this.onKey(event));
      this.plot.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") tip.hidden = true; });
      this.plot.addEventListener("pointerdown", (event) => { this.down = [event.clientX, event.clientY]; }, true);
      this.onTouch();
      await this.draw();
    }

    // A chart that needs more room than a phone has scrolls to the side, by keyboard too.
    scroller() {
      if (!this.meta.min_width) return this.plot;
      this.plot.style.minWidth = `${this.meta.min_width}px`;
      const label = `${this.box.dataset.title}. It scrolls to the side where there is not enough room.`;
      return el("div", { class: "chart-scroll", role: "group", tabindex: "0", "aria-label": label }, this.plot);
    }

    // One change after the other: each finds the view that the one before has drawn. One that fails stops no other.
    later(work) {
      const done = this.queue.then(work);
      this.queue = done.catch(() => {});
      return done;
    }

    // Vega finds what a pointer meets while it moves, which a finger does not do before it touches. A first tap shows
    // the box, of what is at most a few pixels away, and a second one follows its link.
    onTouch() {
      const only = (type, work) => this.plot.addEventListener(type, (event) => {
        if (event.pointerType === "touch" && event.isTrusted && event.target.tagName === "CANVAS") work(event);
      }, true);
      only("pointerdown", (event) => {
        // No events of a mouse after those of the touch; scrolling is not one of them.
        event.preventDefault();
        const before = tip.hidden ? "" : tip.textContent;
        for (const [x, y] of NEAR) {
          const at = { clientX: event.clientX + x, clientY: event.clientY + y, pointerType: "touch", bubbles: true };
          event.target.dispatchEvent(new PointerEvent("pointermove", at));
          if (!tip.hidden) break;
        }
        this.again = !tip.hidden && tip.textContent === before;
      });
      only("pointerout", (event) => event.stopPropagation());
      only("click", (event) => {
        event.stopPropagation();
        if (this.again) follow(tip.dataset.link);
      });
    }

    // The end of a drag is a click too.
    onClick(event, item) {
      const [x, y] = this.down || [event.clientX, event.clientY];
      if (Math.hypot(event.clientX - x, event.clientY - y) < 5 && item && item.datum && item.datum.link) follow(item.datum.link);
    }

    draw() {
      return this.later(() => this.embed());
    }

    async embed() {
      const dark = isDark();
      let spec = JSON.parse(JSON.stringify(this.spec));
      for (const patches of this.patches.values()) for (const [pointer, value] of patches) put(spec, pointer, value);
      for (const axis of Object.keys(this.domains)) {
        for (const pointer of this.meta.zoom[axis]) put(spec, `${pointer}/domain`, this.domains[axis]);
      }
      if (this.meta.choice) spec.params.find((param) => param.name === this.meta.choice.param).value = this.shown;
      if (dark) {
        for (const [pointer, value] of this.meta.dark.patches) put(spec, pointer, value);
      }
      spec = recolor(spec, { ...(dark ? this.meta.dark.colors : {}), [this.meta.paper]: paper() });
      // Vega adds to the rows that it is given.
      spec.datasets = Object.fromEntries(
        Object.entries(this.spec.datasets).map(([name, table]) => [name, this.rows(table).map((row) => ({ ...row }))]));
      // The page must not move while a chart is drawn again.
      this.plot.style.minHeight = `${this.plot.offsetHeight}px`;
      if (this.result) this.result.finalize();
      this.result = await vegaEmbed(this.plot, spec, {
        ast: true,
        mode: "vega-lite",
        renderer: "canvas",
        config: look(dark),
        actions: { export: { svg: true, png: true }, source: false, compiled: false, editor: false },
        downloadFileName: this.box.dataset.file,
        tooltip: (_, event, item, value) => showTip(event, value ? item.datum : null, this.meta.hover),
      });
      this.view = this.result.view;
      this.view.addEventListener("click", (event, item) => this.onClick(event, item));
      this.plot.style.minHeight = "";
      this.dark = dark;
      this.drawLegend();
      const summary = this.plot.querySelector("summary");
      if (summary) summary.setAttribute("aria-label", `Save the chart: ${this.box.dataset.title}`);
      this.box.dataset.drawn = "yes";
    }

    // Parameters alone change at once; anything else is drawn again.
    apply(name, patches) {
      this.patches.set(name, patches);
      const params = this.spec.params || [];
      const names = patches.map(([pointer]) => /^\/params\/(\d+)\/value$/.exec(pointer));
      if (!names.every(Boolean)) {
        for (const axis of Object.keys(this.domains)) {
          if (patches.some(([pointer]) => this.meta.zoom[axis].some((scale) => pointer.startsWith(scale) || scale.startsWith(pointer)))) {
            delete this.domains[axis];
          }
        }
        return this.draw();
      }
      return this.later(() => {
        names.forEach((found, at) => this.view.signal(params[Number(found[1])].name, patches[at][1]));
        return this.view.runAsync();
      });
    }

    controls() {
      const made = this.meta.controls.map((control, at) => {
        const id = `${this.box.id}-${at}`;
        if (control.kind === "check") {
          const input = el("input", { type: "checkbox", id, onchange: () => this.apply(at, control.options[Number(pick(input.checked))].patches) });
          const pick = (checked) => control.options.findIndex((option) => option.label === (checked ? "on" : "off"));
          input.checked = control.options[0].label === "on";
          return el("span", { class: "chart-control" }, input, el("label", { for: id }, control.label));
        }
        const select = el("select", { id, onchange: () => this.apply(at, control.options[select.selectedIndex].patches) },
          ...control.options.map((option) => el("option", {}, option.label)));
        return el("span", { class: "chart-control" }, el("label", { for: id }, control.label), select);
      });
      if (Object.keys(this.meta.zoom).length) {
        const button = (text, label, factor) => el("button", { type: "button", "aria-label": label, title: label, onclick: () => this.zoom(factor) }, text);
        made.push(el("span", { class: "chart-control" }, "Zoom", button("+", "Zoom in", 0.6), button("−", "Zoom out", 1 / 0.6),
          button("reset", "Reset the zoom", null)));
      }
      return el("div", { class: "chart-controls", role: "group", "aria-label": `Controls: ${this.box.dataset.title}` }, ...made);
    }

    drawLegend() {
      const choice = this.meta.choice;
      if (!choice) return;
      const focused = this.legend.contains(document.activeElement) ? document.activeElement.id : null;
      const colors = this.dark ? this.meta.dark.colors : {};
      const set = (names) => {
        this.shown = names;
        this.drawLegend();
        return this.later(() => this.view.signal(choice.param, names).runAsync());
      };
      const all = choice.items.map((item) => item.name);
      const entries = choice.items.map((item, at) => {
        const id = `${this.box.id}-item-${at}`;
        const input = el("input", { type: "checkbox", id, onchange: () =>
          set(all.filter((name) => (name === item.name ? input.checked : this.shown.includes(name)))) });
        input.checked = this.shown.includes(item.name);
        const color = colors[item.color] || item.color;
        const swatch = svg("svg", { viewBox: "-13 -6 26 12", width: 26, height: 12, "aria-hidden": "true" });
        swatch.append(svg("path", { d: "M-13,0H13", stroke: color, "stroke-width": 1.6, "stroke-dasharray": item.dash.join(" ") || "none" }),
          svg("path", { d: item.outline, fill: color, transform: "scale(4.6)" }));
        const only = el("button", { type: "button", id: `${id}-only`, class: "chart-only", "aria-label": `Only ${item.name}`, title: `Only ${item.name}`,
          onclick: () => set([item.name]) }, "only");
        return el("span", { class: "chart-item" }, input, el("label", { for: id }, swatch, ` ${item.name}`), only);
      });
      const buttons = [["all", all], ["none", []]].map(([text, names]) =>
        el("button", { type: "button", id: `${this.box.id}-${text}`, onclick: () => set(names) }, text));
      this.legend.replaceChildren(el("fieldset", { class: "chart-legend" }, el("legend", {}, choice.label), ...buttons, ...entries));
      if (focused) document.getElementById(focused)?.focus();
    }

    scaleOf(axis) {
      const scale = this.view.scale(axis);
      const isLog = scale.type === "log";
      const [from, to] = scale.domain().map((value) => (isLog ? Math.log(value) : value));
      return { from, to, back: (value) => (isLog ? Math.exp(value) : value) };
    }

    move(axis, from, to) {
      const { back } = this.scaleOf(axis);
      this.domains[axis] = [back(from), back(to)];
    }

    zoom(factor) {
      return this.later(() => {
        for (const axis of Object.keys(this.meta.zoom)) {
          if (factor === null) {
            delete this.domains[axis];
          } else {
            const { from, to } = this.scaleOf(axis);
            const half = ((to - from) / 2) * factor;
            this.move(axis, (from + to) / 2 - half, (from + to) / 2 + half);
          }
        }
        return this.embed();
      });
    }

    onKey(event) {
      if (event.target !== this.plot || event.ctrlKey || event.metaKey || event.altKey || !Object.keys(this.meta.zoom).length) return;
      const steps = { ArrowLeft: ["x", -0.1], ArrowRight: ["x", 0.1], ArrowDown: ["y", -0.1], ArrowUp: ["y", 0.1] };
      const factors = { "+": 0.6, "=": 0.6, "-": 1 / 0.6, 0: null };
      if (event.key in steps) {
        const [axis, share] = steps[event.key];
        if (!this.meta.zoom[axis]) return;
        this.later(() => {
          const { from, to } = this.scaleOf(axis);
          this.move(axis, from + share * (to - from), to + share * (to - from));
          return this.embed();
        });
      } else if (event.key in factors) {
        this.zoom(factors[event.key]);
      } else {
        return;
      }
      event.preventDefault();
    }
  }

  const drawn = new Map();
  const start = (box) => {
    if (drawn.has(box)) return;
    const chart = new Drawn(box);
    drawn.set(box, chart);
    const frame = box.closest(".chart-frame");
    chart.start().then(() => {
      frame.querySelector(".chart-caption").hidden = false;
      frame.querySelector(".chart-fallback")?.classList.add("chart-replaced");
    }).catch((error) => {
      // The static figure stays.
      box.hidden = true;
      box.dataset.drawn = "failed";
      console.error(`${box.id}: ${error && error.stack ? error.stack : error}`);
    });
  };
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        watch.unobserve(entry.target);
        start(entry.target.querySelector(".chart[data-kind]"));
      }
    }
  }, { rootMargin: "400px 0px" });
  for (const box of boxes) watch.observe(box.closest(".chart-frame"));

  // In a closed part a chart has no width, which it takes over if the window changes meanwhile.
  document.addEventListener("toggle", (event) => {
    if (event.target.open && event.target.querySelector?.(".chart[data-drawn=yes]")) window.dispatchEvent(new Event("resize"));
  }, true);
  // A finger that moves on to scroll the page ends its drag in a chart.
  window.addEventListener("pointercancel", (event) => {
    window.dispatchEvent(new PointerEvent("pointerup", { pointerId: event.pointerId, pointerType: event.pointerType }));
  });

  const redraw = () => {
    for (const chart of drawn.values()) if (chart.view && chart.dark !== isDark()) chart.draw();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["class", "data-theme", "style"] });
})();
