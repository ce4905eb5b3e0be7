"""The fused trainer: many multilayer perceptrons trained as one model."""
