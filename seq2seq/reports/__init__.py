"""Pages and plots of what evaluation, inspection and training computed."""
