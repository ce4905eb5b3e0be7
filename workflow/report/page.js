// What the page does beyond its text: every table and figure is there without it.
"use strict";
(() => {
  let letters = null;
  const unpack = async (script) => {
    const bytes = Uint8Array.from(atob(script.textContent), (letter) => letter.charCodeAt(0));
    const media = script.dataset.media || "text/plain";
    if (media === "image/webp") return new Blob([bytes], { type: media });
    const text = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
    if (media !== "image/svg+xml") return new Blob([text], { type: media });
    // All figures have the same letters, which are packed once.
    letters = letters || unpack(document.getElementById("packed-letters")).then((blob) => blob.text());
    const start = text.indexOf(">") + 1;
    return new Blob([text.slice(0, start), await letters, text.slice(start)], { type: media });
  };

  // Figures are files next to the page. If the page was moved without them, those packed into it are shown.
  const show = async (image) => {
    const script = document.getElementById(image.dataset.packed);
    if (!script || image.dataset.unpacked) return;
    image.dataset.unpacked = "yes";
    const url = URL.createObjectURL(await unpack(script));
    image.src = url;
    image.parentElement.href = url;
  };
  const images = [...document.querySelectorAll("img[data-packed]")];
  for (const image of images) image.addEventListener("error", () => show(image));
  const first = images[0];
  let isAlone = false;
  if (first) {
    const probe = new Image();
    probe.onerror = async () => { isAlone = true; for (const image of images) await show(image); };
    probe.src = first.getAttribute("src");
  }

  // Paper has what is closed too. Browsers that cannot do so by CSS open it meanwhile.
  const printsClosed = CSS.supports("selector(details::details-content)");
  let opened = [];
  addEventListener("beforeprint", () => {
    for (const image of images) image.loading = "eager";
    opened = printsClosed ? [] : [...document.querySelectorAll("details:not([open])")];
    for (const part of opened) part.open = true;
  });
  addEventListener("afterprint", () => { for (const part of opened) part.open = false; });

  // Records are files next to the folder of the page, unless it was moved.
  document.addEventListener("toggle", (event) => {
    const list = event.target.open && event.target.matches(".records") && event.target.querySelector("pre:not([data-linked])");
    if (!list || isAlone) return;
    list.dataset.linked = "yes";
    list.replaceChildren(...list.textContent.split("\n").flatMap((line, at) => {
      const end = at ? "\n" : "";
      const [, digest, path] = /^([0-9a-f]{64} {2})([^({]+)$/.exec(line) || [];
      if (!path) return [end + line];
      const link = document.createElement("a");
      link.href = `../${path.split("/").map(encodeURIComponent).join("/")}`;
      link.textContent = path;
      return [end + digest, link];
    }));
  }, true);

  // A link into a part that is closed opens it, in browsers that do not do so themselves.
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let part = target.parentElement; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.getAttribute("href") === location.hash) reveal();
  });
  if (location.hash) reveal();

  // Tables: sort by a column, keep the rows with a text.
  const key = (cell) => {
    const text = cell ? cell.textContent.trim() : "";
    // "< 0.001" comes just before 0.001, "at least 3" just after 3.
    const [bound = ""] = /^(<|>|at least|at most)(?= ?[\d−])/.exec(text) || [];
    const number = parseFloat(text.slice(bound.length).replace(/−/g, "-").replace(/(\d),(?=\d{3})/g, "$1"));
    return [text, number, { "<": -1, "at most": -1, "": 0 }[bound] ?? 1];
  };
  const compare = (one, other) => {
    if (Number.isNaN(one[1]) !== Number.isNaN(other[1])) return Number.isNaN(one[1]) ? 1 : -1;
    if (!Number.isNaN(one[1]) && one[1] !== other[1]) return one[1] - other[1];
    if (one[2] !== other[2]) return one[2] - other[2];
    return one[0].localeCompare(other[0], "en", { numeric: true });
  };
  const sort = (table, header, column) => {
    const descending = header.getAttribute("aria-sort") === "ascending";
    for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
    const absent = (entry) => entry[0][0] === "" || entry[0][0] === "–";
    // Rows without a value stay last in both directions.
    rows.sort((one, other) => absent(one) - absent(other) || (descending ? -1 : 1) * compare(one[0], other[0]));
    body.append(...rows.map((entry) => entry[1]));
  };
  // A word in quotes is the whole text of a cell.
  const has = (row, words) => {
    const text = row.textContent.toLowerCase();
    const cells = () => [...row.cells].map((cell) => cell.textContent.trim().toLowerCase());
    return words.every((word) => (/^".+"$/.test(word) ? cells().includes(word.slice(1, -1)) : text.includes(word.replace(/^"/, ""))));
  };
  const addFilter = (section, table, load) => {
    const label = document.createElement("label");
    label.className = "filter";
    const input = document.createElement("input");
    input.type = "search";
    const count = document.createElement("span");
    count.setAttribute("role", "status");
    label.append("Rows with: ", input, " ", count);
    input.addEventListener("input", async () => {
      await load();
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of table.tBodies[0].rows) {
        row.hidden = !has(row, words);
        shown += !row.hidden;
      }
      count.textContent = words.length ? `${shown} of ${table.tBodies[0].rows.length}` : "";
    });
    section.insertBefore(label, section.querySelector(".scroll"));
  };
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const section = table.closest("section");
    const headers = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    const rest = section.querySelector("script.rest");
    let loaded = null;
    // All rows are sorted and filtered, not only those of a long table that are shown at first.
    const load = () => {
      loaded ??= rest && unpack(rest).then((blob) => blob.text()).then((rows) => {
        table.tBodies[0].insertAdjacentHTML("beforeend", rows);
        section.querySelector(".more").remove();
      }).catch(() => {});
      return loaded;
    };
    headers.forEach((header, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", async () => {
        await load();
        sort(table, header, column);
      });
    });
    if (rest || table.tBodies[0].rows.length > 5) addFilter(section, table, load);
    if (!rest) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `Show ${rest.dataset.rows} more rows`;
    button.addEventListener("click", load);
    section.querySelector(".more").append(" ", button);
  }

  // A link to the rows of a dataset filters the table that it leads to.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-rows]");
    const input = link && document.querySelector(`${link.getAttribute("href")} .filter input`);
    if (!input) return;
    input.value = `"${link.dataset.rows}"`;
    input.dispatchEvent(new Event("input"));
  });
})();
