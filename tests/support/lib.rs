//! What the behaviour tests share: start a server, speak to it, run the command lines.
