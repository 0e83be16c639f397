//! The endpoints, by what they are about.

mod admin;
mod entrance;
mod own;

use crate::route::Route;

/// Their tables.
pub(crate) static ROUTES: [&[Route]; 3] = [&entrance::ROUTES, &own::ROUTES, &admin::ROUTES];
