"""Where documents are kept: by content, in files or in MongoDB, behind one contract."""
