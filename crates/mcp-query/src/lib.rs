//! One statement run: the wall, the deadline, rows to text
