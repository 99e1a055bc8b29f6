//! Layers between archive and directory. (Signatures first; this file goes when the code is there.)
//!
//! Layer directories are what `LayerContents::Unpacked` names: `<dir>/Files`, `Hives`, `UtilityVM`, `Metadata`.
//! Lists of lower layers are given NEAREST FIRST, as layer directories (not their `Files`).

/// How far a layer may go before it is refused.
pub struct Limits { pub entries: u64, pub bytes: u64, pub levels: usize }   // impl Default

/// What a layer holds that the directory does not; the blob has it.
pub struct SetAside { pub names: u64, pub links: u64, pub example: Option<String> }
impl SetAside { pub fn warning(&self) -> Option<String>; pub fn is_empty(&self) -> bool; }

/// Unpacks an archive (gzip, zstd, plain). `layer` is how errors name it.
pub fn unpack(layer: &str, archive: impl Read + Send, directory: &Path, limits: &Limits) -> Result<Unpacked>;
pub struct Unpacked { pub diff_id: Digest, pub size: u64, pub archive_size: u64, pub set_aside: SetAside, pub unsettled: Unsettled }

/// Gives a layer the spelling of those below, finds hard links into them, and the targets of links.
/// Base first; every layer once, before it becomes part of the store. Without lowers for a base.
pub fn settle(layer: &str, directory: &Path, unsettled: &Unsettled, lowers: &[&Path]) -> Result<()>;

/// pull, load, import, commit: from a reader to a staged blob and a staged directory.
pub struct Expected { pub blob: Option<Digest>, pub diff_id: Option<Digest>, pub most_bytes: u64 /* of the blob */ }
/// A source that is not compressed gives a deterministic gzip blob, unless `keep_plain`.
pub fn take_in(store: &Store, layer: &str, source: impl Read + Send, expected: &Expected, limits: &Limits) -> Result<TakenLayer>;
/// The same for a blob that the store has already (layer of another chain).
pub fn take_in_stored(store: &Store, blob: Digest, expected_diff_id: Option<Digest>, limits: &Limits) -> Result<TakenLayer>;
pub struct TakenLayer { /* staging, StagedBlob */ }
impl TakenLayer {
    pub fn diff_id(&self) -> Digest;
    pub fn blob_digest(&self) -> Digest;
    pub fn blob_size(&self) -> u64;
    pub fn size(&self) -> u64;                       // unpacked
    pub fn compression(&self) -> Compression;        // of the blob: Plain, Gzip, Zstd -> media type
    pub fn set_aside(&self) -> &SetAside;
    pub fn directory(&self) -> &Path;
    pub fn settle(&self, lowers: &[&Path]) -> Result<()>;
    pub fn into_import(self) -> (LayerImport, StagingDirectory /* keep until imported */);
}
/// save, push of plain layers: a stored blob as its plain tar; checks the diff id while writing.
pub fn write_plain(blob: Blob, diff_id: Digest, output: impl Write) -> Result<u64>;

/// commit: what a container has changed, as a layer archive (plain tar). `upper` is the sandbox's upper.
pub struct Given<'a> { pub path: LayerPath, pub content: &'a [u8] }   // Hives/System_Delta, Files/Users/X/NTUSER.DAT
pub fn pack_changes<W: Write>(upper: &Path, lowers: &[&Path], given: &[Given<'_>], output: W) -> Result<(W, Packed)>;
/// base builds, import: a whole layer directory.
pub fn pack_layer<W: Write>(directory: &Path, given: &[Given<'_>], output: W, seen: &mut dyn FnMut(u64)) -> Result<(W, Packed)>;
pub struct Packed { pub entries: u64, pub bytes: u64, pub set_aside: SetAside }
/// commit in one step: pack, gzip, unpack beside; then settle() and into_import().
pub fn commit(store: &Store, upper: &Path, lowers: &[&Path], given: &[Given<'_>], limits: &Limits) -> Result<TakenLayer>;

/// diff
pub enum ChangeKind { Modified = 0, Added = 1, Deleted = 2 }
pub struct Change { pub path: String /* C:\… */, pub kind: ChangeKind }
pub fn changes(upper: &Path, lowers: &[&Path]) -> Result<Vec<Change>>;

// ---- porthole-store ----
pub struct ImageImport { config, manifest, layers, tags, repositories,
    pub base: Option<SubstitutedBase>,       // then `layers` are those above it
    pub parent: Option<ImageId>,             // commit, build
    pub sources: Vec<(Digest, Reference)> }  // blobs and repositories where they are known to exist
impl ImageImport { pub fn new(config: Vec<u8>, layers: Vec<LayerImport>) -> Self }
pub struct LayerImport { pub contents: LayerContents, pub blob: Option<LayerBlob> }
pub enum LayerBlob { Staged(StagedBlob), Stored(Digest) }                 // From<StagedBlob>
pub enum LayerContents { Unpacked { directory, size }, Present }          // Present without blob takes the blob of the layer's other images
pub struct SubstitutedBase { pub kind: BaseKind /* Nanoserver | Servercore */, pub repository: Reference, pub layers: Vec<SubstitutedLayer> }
pub struct SubstitutedLayer { pub diff_id: Digest, pub descriptor: String /* JSON as the manifest has it: mediaType, digest, size, urls */ }
impl Image { pub base: Option<SubstitutedBase>, pub parent: Option<ImageId> } // Image::layers are those that are here
pub struct NewContainer { …, pub base: Option<ImageId> /* image whose layers take the place of the substituted ones */ }
impl Store {
    pub fn children(&self, image: ImageId) -> Result<Vec<ImageId>>;
    pub fn blob_sources(&self, blob: Digest) -> Result<Vec<Reference>>;
    pub fn note_blob_source(&self, blob: Digest, repository: &Reference) -> Result<()>;
    pub fn forget_blob_source(&self, blob: Digest, repository: &Reference) -> Result<()>;
    pub fn check(&self, depth: CheckDepth /* Records | Content */) -> Result<Vec<Problem>>;
}
