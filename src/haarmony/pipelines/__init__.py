"""How content reaches a method and comes back."""
