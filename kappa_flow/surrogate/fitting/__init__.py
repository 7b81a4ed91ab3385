"""Fitting: from labelled structures to the weights of a committee."""
