//! What long helps end with: commands to try.

pub(super) const ALL: &str = "\
Examples:
  porthole doctor                                        see whether this host can run containers
  porthole base build nanoserver                         make the small base image, once
  porthole run --rm porthole/nanoserver cmd /c ver       run a program and see its output
  porthole run -it --rm porthole/servercore cmd          a console; ctrl-p ctrl-q leaves it
  porthole run --rm -v \"$PWD:C:/app\" -p 8080:8080 porthole/servercore 'C:\\app\\server.exe'
  porthole commit web r.example:5000/web:1               an image of what a container has become
  porthole push r.example:5000/web:1                     and for others to pull

'porthole COMMAND --help' has more of them.";

pub(super) const RUN: &str = "\
Examples:
  porthole run --rm porthole/nanoserver cmd /c ver               its output and its exit code
  porthole run -it --rm porthole/servercore cmd                  a console; ctrl-p ctrl-q leaves it
  porthole run -d --name web --restart always -p 8080:80 IMAGE   a server that stays
  porthole run --rm -m 512m --cpus 1.5 IMAGE                     with limits
  porthole run --rm -v \"$PWD:C:/app:ro\" -w C:/app IMAGE app.exe  with a directory of this host
  porthole run -d --health-cmd 'curl -f http://localhost' --health-interval 10s IMAGE

In a shell, write Windows paths in single quotes or with forward slashes: C:\\app unquoted is\nC:app.";

pub(super) const CREATE: &str = "\
Examples:
  porthole create --name job porthole/nanoserver cmd /c ver
  porthole start -a job                                     start it, see its output, take its code

All options are those of 'porthole run'.";

pub(super) const EXEC: &str = "\
Examples:
  porthole exec web tasklist                     run a program beside the container's own
  porthole exec -it web cmd                      work in a console
  porthole exec -e LEVEL=2 -w C:/app web app.exe with a variable and a directory";

pub(super) const ATTACH: &str = "\
Examples:
  porthole attach web                            ctrl-C goes to the program
  porthole attach --no-stdin --sig-proxy=false web   only look; ctrl-C ends the looking";

pub(super) const CP: &str = "\
Examples:
  porthole cp site web:C:/site                   a directory into a container
  porthole cp 'web:C:\\app\\app.log' .             a file out of it
  porthole cp web:C:/site/. site                 what is in a directory, and not the directory
  tar c site | porthole cp - web:C:/             an archive, unpacked in the container
  porthole cp web:C:/site - | tar t              an archive of what is there

In a shell, write Windows paths in single quotes or with forward slashes: C:\\app unquoted is C:app.";

pub(super) const PS: &str = "\
Examples:
  porthole ps -a                                          all, also those that ended
  porthole ps -aq --filter status=exited                  the IDs of those that ended
  porthole ps --format 'table {{.Names}}\\t{{.Status}}'     a table of one's own
  porthole ps --format json                               a line of JSON each

Fields: ID, Names, Image, Command, CreatedAt, RunningFor, Ports, State, Status, Size, Labels,
Mounts, Networks, LocalVolumes, and .Label \"NAME\" for one label.";

pub(super) const LOGS: &str = "\
Examples:
  porthole logs -f web                           what was written, and what comes
  porthole logs -n 20 -t web                     the last 20 lines, with their times
  porthole logs --since 10m web                  of the last ten minutes";

pub(super) const START: &str = "\
Examples:
  porthole start web db                          start two
  porthole start -ai shell                       start one and work in it";

pub(super) const STOP: &str = "\
Examples:
  porthole stop web                              ask it to end, wait for it, then end it
  porthole stop -t 0 web                         end it at once
  porthole stop -s SIGINT -t 60 web              ask with Ctrl-C, and wait a minute";

pub(super) const KILL: &str = "\
Examples:
  porthole kill web                              end it
  porthole kill -s SIGINT web                    press Ctrl-C in it";

pub(super) const UPDATE: &str = "\
Examples:
  porthole update -m 1g --cpus 2 web             other limits, at once
  porthole update --restart unless-stopped web   started again from now on";

pub(super) const INSPECT: &str = "\
Examples:
  porthole inspect web                                           everything
  porthole inspect -f '{{.State.Status}} {{.State.ExitCode}}' web  two fields
  porthole inspect -f '{{json .Config.Env}}' web                 a list, as JSON
  porthole inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' web
  porthole inspect -f '{{index .Config.Labels \"tier\"}}' web      one label";

pub(super) const PORT: &str = "\
Examples:
  porthole port web                              all of them
  porthole port web 80                           where the container's port 80 is";

pub(super) const STATS: &str = "\
Examples:
  porthole stats                                 a table that is drawn again every second
  porthole stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}}'

Fields, also the members of --json: Container, ID, Name, CPUPerc, MemUsage, MemPerc, NetIO,
BlockIO, PIDs, Graph (the last samples of CPUPerc). MemPerc and PIDs are dashes, as docker shows
them for Windows.";

pub(super) const EVENTS: &str = "\
Examples:
  porthole events --filter type=container --filter event=die     programs that end
  porthole events --since 10m --until 0s                         what happened, and no more
  porthole events --format '{{.Action}} {{.Actor.Attributes.name}}'";

pub(super) const RM: &str = "\
Examples:
  porthole rm job                                one that has ended
  porthole rm -f web                             one that runs";

pub(super) const PRUNE: &str = "\
Examples:
  porthole prune                                 asks first
  porthole prune -f --filter until=24h           those that were made more than a day ago";

pub(super) const IMAGES: &str = "\
Examples:
  porthole images                                all
  porthole images r.example:5000/app             all tags of one name
  porthole images --format '{{.Repository}}:{{.Tag}} {{.Size}}'
  porthole images rm r.example:5000/app:1        remove one, or its name
  porthole images prune                          those that have no name and no container

Fields: ID, Repository, Tag, Digest, CreatedSince, CreatedAt, Size, Containers.";

pub(super) const TAG: &str = "\
Examples:
  porthole tag porthole/nanoserver r.example:5000/windows/base:1

Names that begin with porthole/ are for base images that were built on this host.";

pub(super) const RMI: &str = "\
Examples:
  porthole rmi r.example:5000/app:1              a name, and with its last name the image
  porthole rmi -f 1f2e3d4c5b6a                   an image with all its names";

pub(super) const SYSTEM: &str = "\
Examples:
  porthole system df                             what images and containers take
  porthole system df -v                          each of them
  porthole system prune                          remove what nobody uses; asks first";

pub(super) const DIFF: &str = "\
Examples:
  porthole diff web                              files: A added, C changed, D deleted
  porthole diff --registry web                   keys and values of the registry
  porthole diff --registry app:2 app:1           what one image has over another
  porthole diff --registry --json web            for programs to read";

pub(super) const COMMIT: &str = "\
Examples:
  porthole commit web app:1
  porthole commit -m 'set up' --change 'CMD [\"C:\\\\app\\\\run.exe\"]' web app:1
  porthole commit --change 'ENV MODE=live' --change 'WORKDIR C:\\app' web app:1";

pub(super) const IMPORT: &str = "\
Examples:
  porthole import --change 'CMD [\"cmd\"]' files.tar.gz app:1
  porthole export web | porthole import --change \"LABEL io.porthole.wine-build=$(porthole \\
      inspect -f '{{index .Config.Labels \"io.porthole.wine-build\"}}' web)\" - copy:1

An archive of files does not say which build of Wine they need: without that label, the one of the
base that they come from, no container of the image starts. 'porthole commit' keeps it, and the
registry too.";

pub(super) const PULL: &str = "\
Examples:
  porthole pull r.example:5000/app:1             from a registry of one's own
  porthole pull me/app                           from Docker Hub, docker.io/me/app:latest
  porthole pull --platform 'windows(10.0.17763)/amd64' r.example/app

Names that begin with porthole/ are of base images, which 'porthole base build' makes. Images that
were made FROM Microsoft's get these underneath.";

pub(super) const PUSH: &str = "\
Examples:
  porthole tag app:1 r.example:5000/app:1        first, its name there
  porthole push r.example:5000/app:1
  porthole push --all-tags r.example:5000/app";

pub(super) const LOGIN: &str = "\
Examples:
  porthole login r.example:5000                  asks for the account and its password
  porthole login -u me --password-stdin r.example:5000 < password.txt

It is kept where docker keeps it, in ~/.docker/config.json or by the helper that this names, and
docker knows it too.";

pub(super) const SEARCH: &str = "\
Examples:
  porthole search golang                         on Docker Hub
  porthole search --filter is-official=true --limit 5 golang
  porthole search r.example/golang               on another registry, of which few have a search";

pub(super) const SAVE: &str = "\
Examples:
  porthole save -o app.tar app:1 app:2           with all that a machine needs which has the bases
  porthole save app:1 | ssh there porthole load";

pub(super) const LOAD: &str = "\
Examples:
  porthole load -i app.tar
  gzip -c app.tar | porthole load                plain, or compressed with gzip or zstd";

pub(super) const EXPORT: &str = "\
Examples:
  porthole export -o web.tar web
  porthole export web | tar t                    what is in it

The registry is not in it, nor what Windows keeps of files beyond names, content and links:
'porthole commit' and 'porthole save' keep all of it.";
