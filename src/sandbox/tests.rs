//! Every test talks to a running sandbox over a real socket, as a client would.
