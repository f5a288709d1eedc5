"""Finding every primary particle with a convolutional network, whatever its outline."""
