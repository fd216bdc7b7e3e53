"""Real containers, one obligation each; what they see they see through the engine, HTTP and files."""
