"""The commands about models that are declared, or are to be: draft, check, schema, and made-up data to begin with."""
