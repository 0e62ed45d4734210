//! For the tests: opens the store at the path given, and keeps dead letters until it is killed. Prints `open`, then the
//! number of each one when it is acknowledged. Says why and ends with 1 when the store cannot be opened.
#![expect(clippy::print_stdout, reason = "what it prints is what the tests read")]

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

use sluice_ports::store::DeadLetterStore;
use sluice_store::SqliteStore;
use sluice_testkit::fixtures::dead_letter;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = PathBuf::from(std::env::args_os().nth(1).ok_or("the path of a store is missing")?);
    let store = match SqliteStore::open(&path).await {
        Ok(store) => store,
        Err(error) => {
            println!("{error}");
            std::process::exit(1);
        }
    };
    println!("open");
    for number in 1.. {
        store.put_dead_letters(&[dead_letter(number)]).await?;
        println!("{number}");
        std::io::stdout().flush()?;
    }
    Ok(())
}
