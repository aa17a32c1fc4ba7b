"""Tables: image paths with labels, or pixels with labels, as people write them."""
