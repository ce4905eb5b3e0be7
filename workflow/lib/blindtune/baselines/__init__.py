"""Reference models of scikit-learn: k-nearest neighbours, random forests, and estimates of the Bayes error."""
