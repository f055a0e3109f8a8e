"""Who may do what, and which connections and credentials count."""
