"""What is trained: architectures as data, estimators, and how hyperparameters become them."""
