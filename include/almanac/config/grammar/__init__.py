"""What single values of the YAML look like: types, expressions, rules, payloads."""
