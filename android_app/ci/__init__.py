"""What builds and checks the app without Google's Maven: registry packages, javac, dx, aapt2, apksigner, g++."""
