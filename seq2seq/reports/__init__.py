"""Pages and pictures, made of the numbers that evaluation finds."""
