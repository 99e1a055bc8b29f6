//! SKETCH of the interface (signatures only; no Cargo.toml yet). A client for image registries.
//!
//! Dropping a future or a stream cancels what it does. Everything is async on tokio.

pub struct Settings {
    /// `host[:port]` or CIDR; loopback is always insecure.
    pub insecure_registries: Vec<String>,
    /// Mirrors of docker.io, base URLs, tried in order before it, without credentials.
    pub mirrors: Vec<String>,
    /// Directories of `<host[:port]>/{*.crt,*.cert,*.key}`, the first that has the host wins.
    pub certificates: Vec<PathBuf>,
    /// How long without a byte until a registry is given up.
    pub patience: Duration,
    /// How often a request is tried.
    pub attempts: u32,
    /// What requests say of who they are from, as `docker/20…`.
    pub user_agent: String,
}
impl Default for Settings {}

/// What X-Registry-Auth carries. Debug shows no secret.
#[derive(Clone, Default)]
pub struct Credentials { pub username: String, pub password: String, pub identity_token: String, pub registry_token: String }

#[derive(Clone)]
pub struct Client;

impl Client {
    pub fn new(settings: Settings) -> Result<Self>;

    /// The manifest that `reference` means for `platform` (porthole_oci::Wanted); an index on the way is resolved.
    pub async fn resolve(&self, reference: &Reference, credentials: &Credentials, wanted: &Wanted) -> Result<Resolved>;

    /// The bytes of a blob, from `offset` on. The stream resumes by itself, ends with an error when size or (from
    /// offset 0) digest are not those of the descriptor. Falls back to `descriptor.urls`.
    pub async fn blob(&self, repository: &Reference, descriptor: &Descriptor, credentials: &Credentials, offset: u64,
        progress: Arc<dyn Progress>) -> Result<BlobStream>;

    /// A small blob (image configuration), verified.
    pub async fn small_blob(&self, repository: &Reference, descriptor: &Descriptor, credentials: &Credentials, limit: usize) -> Result<Vec<u8>>;

    /// The size of a blob, if the repository has it.
    pub async fn has_blob(&self, repository: &Reference, digest: Digest, credentials: &Credentials) -> Result<Option<u64>>;

    /// Whether the registry took the blob over from its repository `source` (same domain).
    pub async fn mount_blob(&self, repository: &Reference, source: &Reference, digest: Digest, credentials: &Credentials) -> Result<bool>;

    pub async fn upload_blob(&self, repository: &Reference, digest: Digest, size: u64, source: &dyn BlobSource,
        credentials: &Credentials, progress: Arc<dyn Progress>) -> Result<()>;

    /// Puts under the reference's tag (or digest); the digest of the bytes.
    pub async fn put_manifest(&self, reference: &Reference, media_type: &str, bytes: Vec<u8>, credentials: &Credentials) -> Result<Digest>;

    /// `GET /distribution/{name}/json`.
    pub async fn inspect(&self, reference: &Reference, credentials: &Credentials) -> Result<Inspection>;

    /// `POST /auth`; `server` as the client names it ("" or https://index.docker.io/v1/ for Docker Hub).
    pub async fn login(&self, server: &str, credentials: &Credentials) -> Result<Login>;

    pub async fn search(&self, term: &str, limit: Option<u32>, credentials: &Credentials) -> Result<Vec<SearchResult>>;
}

pub struct Resolved {
    /// What the tag meant first: of an index, the index. For RepoDigests and "Digest: …".
    pub digest: Digest,
    /// The manifest itself.
    pub manifest_digest: Digest,
    pub media_type: String,
    pub bytes: Vec<u8>,
    pub manifest: porthole_oci::Manifest,
    /// From the index, if there was one.
    pub platform: Option<porthole_oci::Platform>,
}

/// Both do nothing unless overridden. Implemented for ().
pub trait Progress: Send + Sync {
    /// So many bytes of the whole are there now.
    fn moved(&self, total: u64) {}
    /// It failed and is tried again after a while: docker shows "Retrying in N seconds".
    fn retrying(&self, delay: Duration, error: &Error) {}
}

#[async_trait]
pub trait BlobSource: Send + Sync {
    /// A reader of the blob from `offset` on; asked again when the registry wants it again.
    async fn open(&self, offset: u64) -> io::Result<Pin<Box<dyn AsyncRead + Send>>>;
}

/// impl Stream<Item = Result<Bytes>> + Send + Unpin
pub struct BlobStream;

pub struct Inspection { pub descriptor: Descriptor, pub platforms: Vec<Platform> }
pub struct Login { pub status: String, pub identity_token: String }
pub struct SearchResult { pub name: String, pub description: String, pub star_count: i64, pub is_official: bool, pub is_automated: bool }

/// `Display` is the sentence that Docker's clients know; kinds for statuses.
pub enum ErrorKind {
    /// No such manifest or repository (404).
    NotFound,
    /// 401/denied: "pull access denied for X, …" (404 in moby) .
    Denied,
    /// Wrong or missing credentials (401 of login).
    Unauthorized,
    /// Not reached: connection refused, no such host, timeouts (500 in moby).
    Unreachable,
    /// No byte for longer than the patience.
    Hang,
    /// Certificates; the text hints at certs.d.
    Tls,
    /// Bytes are not those of the digest, or of another size.
    Mismatch,
    /// Answer that is no manifest, too large, or contradicts itself.
    Malformed,
    /// Nothing for this platform.
    NoMatch,
    /// Schema 1, plugins, …
    Unsupported,
    /// 5xx that stayed, 429, other statuses.
    Server,
    /// The caller's reader failed.
    Source,
    /// Settings or certs.d files.
    Configuration,
    /// Name not usable.
    Invalid,
}
