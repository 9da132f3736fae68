"""An HTML file that shows a splat or a mesh in any browser, without a network and without other files."""
