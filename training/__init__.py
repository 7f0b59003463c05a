"""The four questions: labelled, split, fitted, judged and registered."""
