"""The web page on the user's own machine: jobs on disk, a queue that runs one at a time, and the page that shows them."""
