#![cfg_attr(not(test), no_main)]

use porthole_winpath::{Bind, ContainerPath, Environment, command_line};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

pub(crate) fn check(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else {
        return;
    };
    let arguments = command_line::split(input);
    // What stands before the first blank is the program, where backslashes and quotes mean less.
    if let Ok(line) = command_line::join(&[&["program".to_owned()], &arguments[1..]].concat()) {
        assert_eq!(command_line::split(&line)[1..], arguments[1..]);
    }

    if let Ok(path) = ContainerPath::parse(input) {
        assert_eq!(ContainerPath::parse(&path.to_string()).as_ref(), Ok(&path));
        assert!(ContainerPath::root().contains(&path));
        assert!(path.components().iter().all(|name| name != ".."));
    }
    if let Ok(bind) = Bind::parse(input) {
        assert!(!bind.target.is_root());
    }

    let mut environment = Environment::new();
    for entry in input.split('\n') {
        let _ = environment.apply(entry);
    }
    let again = Environment::from_entries(environment.to_entries())
        .expect("our own entries are well-formed");
    assert_eq!(again, environment);
    let _ = environment.expand(input);
}
