"""Who may do what, and which connections and places count."""
