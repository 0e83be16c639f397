//! Tower layers in front of any handler
