//! Any bytes as a snapshot: they are refused with a sentence, or they are a state that continues.
#![no_main]

use libfuzzer_sys::fuzz_target;
use novate_core::engine::Engine;
use novate_core::snapshot;

fuzz_target!(|data: &[u8]| {
    // The digest would stop every mutation: seal the body as the engine does, so that the reader behind it is reached.
    let sealed = snapshot::seal(data);
    if let Ok(engine) = Engine::restore(&sealed) {
        let again = Engine::restore(&engine.snapshot()).expect("what was restored can be restored");
        assert_eq!(again.state_hash(), engine.state_hash());
    }
});
