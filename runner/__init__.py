"""Work goes out: the render stage and the delivery stage."""
