"""What tracks look like: reference crops and their vectors."""
