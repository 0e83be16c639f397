//! The smallest files of their kinds, written by hand.

/// A PNG: one red pixel.
pub(crate) const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\
    \0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90\x77\x53\xde\
    \0\0\0\x0cIDAT\x78\xda\x63\xf8\xcf\xc0\0\0\x03\x01\x01\0\xf7\x03\x41\x43\
    \0\0\0\0IEND\xae\x42\x60\x82";

/// A WAV: one wave of 2 kHz, in four samples of 8 bits.
pub(crate) const SOUND: &[u8] = b"RIFF\x28\0\0\0WAVE\
    fmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0\
    data\x04\0\0\0\x80\xff\x80\x01";

/// The red pixel once more, in a form that scales.
pub(crate) const ICON: &str = "data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%20\
    viewBox='0%200%201%201'%3E%3Crect%20width='1'%20height='1'%20fill='red'/%3E%3C/svg%3E";
