"""A stand-in of Ollama: its API, its environment and its files, over llama.cpp's own server with a small model."""
