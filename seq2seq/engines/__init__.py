"""What runs ``encode`` and ``step`` of a loaded model. Search does not know which engine that is."""
