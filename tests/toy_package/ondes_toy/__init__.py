"""One of each: what a package can add to ondes, as small as it gets."""
