//! Looking at something that is to be a component, without running it. Everything that is wrong is found at once.

mod descriptor;
mod dockerfile;
mod folder;
mod image;

pub use descriptor::descriptor;
pub use folder::folder;
pub use image::{image, missing_image};
