use super::*;

fn files(of: &[(&str, &str)]) -> Edited {
    of.iter().map(|(name, text)| (name.into(), text.as_bytes().to_vec())).collect()
}

#[test]
fn sources_are_what_git_would_keep() {
    let root = tempfile::tempdir().unwrap();
    let cached = [("a/b.rs", "b"), ("a/.cargo/config.toml", "c"), (".gitignore", "/target\n")];
    let of = [&cached[..], &[("target/x", "x"), (".git/y", "y")]].concat();
    for (name, content) in of {
        write(&root.path().join(name), content.as_bytes()).unwrap();
    }
    assert_eq!(sources(root.path()).unwrap(), files(&cached));
}

#[test]
fn a_bug_is_planted_and_gone_again_and_other_files_stay_untouched() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("tree");
    let copy = SourceCopy::new(folder.clone(), files(&[("a.rs", "a"), ("b/c.rs", "c")])).unwrap();
    let written = |name: &str| fs::metadata(folder.join(name)).unwrap().modified().unwrap();
    let before = written("a.rs");
    copy.update_to(&files(&[("b/c.rs", "bug")])).unwrap();
    assert_eq!(sources(&folder).unwrap(), files(&[("a.rs", "a"), ("b/c.rs", "bug")]));
    copy.update_to(&Edited::new()).unwrap();
    assert_eq!(sources(&folder).unwrap(), files(&[("a.rs", "a"), ("b/c.rs", "c")]));
    assert_eq!(written("a.rs"), before);
}

#[test]
fn what_a_suite_left_behind_is_removed() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("tree");
    let copy = SourceCopy::new(folder.clone(), files(&[("a.rs", "a")])).unwrap();
    write(&folder.join("regressions/a.txt"), b"seed").unwrap();
    copy.update_to(&Edited::new()).unwrap();
    assert_eq!(sources(&folder).unwrap(), files(&[("a.rs", "a")]));
    assert!(!folder.join("regressions").exists());
}

#[test]
fn two_hunts_do_not_share_a_copy() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("tree");
    let first = SourceCopy::new(folder.clone(), Edited::new()).unwrap();
    assert!(SourceCopy::new(folder.clone(), Edited::new()).is_err());
    drop(first);
    assert!(SourceCopy::new(folder, Edited::new()).is_ok());
}
