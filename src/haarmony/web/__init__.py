"""Pages in the browser: a request comes in, the room that knows is asked, the answer goes out."""
