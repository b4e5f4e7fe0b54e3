"""The networks that carry a picture to features and back."""
