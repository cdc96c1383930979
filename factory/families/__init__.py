"""Model families: a folder each, with recipe, training, inference and scores."""
