"""The largest numbers that a config, a search space or a file of layers may hold.

They are far above what anybody needs. Above them something else would end a run, later and with a worse message:
NumPy and scikit-learn take seeds of 32 bits only, a list of 10^12 values fills the memory.
"""

#: NumPy and scikit-learn take seeds of 32 bits.
MAX_SEED = 2**32 - 1
#: Trials of a search, and models whose weights are kept.
MAX_TRIALS = 1_000_000
#: Epochs of one training.
MAX_EPOCHS = 1_000_000
#: Epochs of all trials together.
MAX_TOTAL_EPOCHS = 1_000_000_000
#: Wall seconds of a search, about 30 years.
MAX_SECONDS = 1e9
#: Samples of a split, of a batch, and of a leaf of a tree.
MAX_SAMPLES = 100_000_000
#: Dots of the pen of a drawing; all are drawn, even for few samples.
MAX_DOTS = 1_000_000
#: Neighbours that vote.
MAX_NEIGHBORS = 1_000_000
#: Trees of a forest.
MAX_TREES = 100_000
#: Levels of a tree.
MAX_DEPTH = 100_000
#: Processes or threads of one study.
MAX_WORKERS = 4096
#: Jobs that train the trials of one search.
MAX_SHARDS = 10_000

#: Shards of a search with rungs: each shard of a rung waits for all shards of the rungs before it.
MAX_RUNG_SHARDS = 200
#: Nodes on which the workers of one study run.
MAX_WORKER_NODES = 1000
#: Step size of a gradient descent; one that is far too large is recorded as failed, which a search may find out.
MAX_LEARNING_RATE = 1e12
#: Files that one job reads, and samples that one file gives.
MAX_PER_FILE = 1_000_000
#: Places that are tried on one slide for each class; all of them are drawn at once.
MAX_PLACES = 20_000_000
#: Pixels along a side of a picture or patch.
MAX_PIXELS = 20_000
#: Seconds within a recording: a week.
MAX_RECORDED_SECONDS = 604_800.0
#: Letters of the label of an event in an annotation.
MAX_LABEL = 1000
#: Samples a second.
MAX_SAMPLING_RATE = 100_000
#: Channels of a recording.
MAX_CHANNELS = 1024
#: Signals in microvolts.
MAX_MICROVOLTS = 1e9
#: Micrometres per pixel, and the magnification of a lens.
MAX_MPP = 1000.0
#: Factors of halving and folds of cross-validation.
MAX_FACTOR = 1000
#: A whole number of a search space, of either sign.
MAX_INTEGER = 1_000_000_000
#: A number of a search space or of a drawing, of either sign.
MAX_FLOAT = 1e12
#: Neurons, filters and sides of kernels of one layer of a manual model.
MAX_UNITS = 1_000_000
#: Layers of a network, and copies of a repeated dimension.
MAX_LAYERS = 1000
#: Values of a dimension with a step, and options of a choice.
MAX_VALUES = 100_000
#: Hyperparameters of a search space, each copy of a repeated dimension counted.
MAX_HYPERPARAMETERS = 10_000
#: Classes of a dataset: a decode keeps the answers of each class by class, so they grow with the square. A table for a
#: thousand has 2 MB in the ledger, which is read whole at each use.
MAX_CLASSES = 1000
#: of the weight of a class
MAX_CLASS_WEIGHT = 1e6
#: Features of a sample that a user's code computes: four times as many as the widest known networks have.
MAX_FEATURES = 100_000
#: Memory of a job: ten terabytes.
MAX_MEM_MB = 10_000_000
#: Minutes of a job: 60 days.
MAX_RUNTIME = 86_400
#: GPUs of a job.
MAX_GPUS = 64
