//! The endpoints, by what they are about.

mod admin;
mod entrance;
mod events;
mod own;

use crate::route::Route;

/// Their tables.
pub(crate) static ROUTES: [&[Route]; 4] =
    [&entrance::ROUTES, &own::ROUTES, &events::ROUTES, &admin::ROUTES];
