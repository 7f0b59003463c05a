"""Who may ask what: keys and tokens, roles and rules, hidden fields, limits."""
