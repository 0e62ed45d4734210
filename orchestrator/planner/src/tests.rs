//! The crate as a whole: the pages of the codes, the reference, and files made of many faults.

mod connectors;
mod hostile;
mod pages;
mod ten_mistakes;
