"""A bank's own table: one file of finished columns, from its declaration to a release."""
