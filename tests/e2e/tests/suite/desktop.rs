//! Programs with windows and installers, without a display.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::{Fixture, Test, run_with_bind};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "desktop_a_window_opens_and_is_drawn_without_a_display",
        window,
    ),
    ("desktop_msiexec_installs_and_uninstalls_quietly", installer),
];

fn window(fixture: &Fixture) -> Result<()> {
    let bind = fixture.probes_bind();
    let image = "porthole/servercore";
    let arguments = ["run", "--rm", "-v", &bind, image, r"C:\probes\window.exe"];
    let outcome = fixture.docker.run(arguments)?;
    ensure!(outcome.code == 7, "{outcome:?}");
    for text in ["visible true", "drawn true"] {
        ensure!(outcome.stdout.contains(text), "{outcome:?}");
    }
    Ok(())
}

const PACKAGE: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
  <Product Name="Probe" Id="*" UpgradeCode="8c6e2d5a-6c1e-4d3c-9a54-1a2b3c4d5e6f" Language="1033"
           Codepage="1252" Version="1.2.3" Manufacturer="Porthole">
    <Package InstallerVersion="200" Languages="1033" Compressed="yes" SummaryCodepage="1252"
             Keywords="Installer" Description="probe" Manufacturer="Porthole"/>
    <Media Id="1" Cabinet="probe.cab" EmbedCab="yes"/>
    <Directory Id="TARGETDIR" Name="SourceDir">
      <Directory Id="ProgramFiles64Folder">
        <Directory Id="INSTALLDIR" Name="Probe">
          <Component Id="Main" Guid="8c6e2d5a-6c1e-4d3c-9a54-1a2b3c4d5e70" Win64="yes">
            <File Id="Readme" Name="readme.txt" DiskId="1" Source="readme.txt" KeyPath="yes"/>
            <RegistryValue Root="HKLM" Key="Software\Probe" Name="Version" Type="string" Value="1.2.3"/>
          </Component>
        </Directory>
      </Directory>
    </Directory>
    <Feature Id="Complete" Level="1"><ComponentRef Id="Main"/></Feature>
  </Product>
</Wix>
"#;

/// Installs, looks, uninstalls, looks.
const SCRIPT: &str = r#"@echo off
msiexec /qn /i C:\package\probe.msi
echo installed %errorlevel%
type "C:\Program Files\Probe\readme.txt"
reg query HKLM\Software\Probe /v Version
reg query HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall /s
msiexec /qn /x C:\package\probe.msi
echo uninstalled %errorlevel%
if not exist "C:\Program Files\Probe\readme.txt" echo gone
msiexec /qn /i C:\package\missing.msi
echo missing %errorlevel%
exit /b 0
"#;

fn installer(fixture: &Fixture) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text);
    write("probe.wxs", PACKAGE)?;
    write("readme.txt", "put here by the installer\r\n")?;
    write("install.cmd", &SCRIPT.replace('\n', "\r\n"))?;
    let made = Command::new("wixl")
        .args(["--arch", "x64", "--output", "probe.msi", "probe.wxs"])
        .current_dir(directory.path())
        .status()
        .context("wixl, of the package of that name, cannot be run")?;
    ensure!(made.success(), "wixl: {made}");
    let bind = format!(r"{}:C:\package", directory.path().display());
    let line = r"C:\package\install.cmd";
    let arguments = run_with_bind("porthole/servercore", &bind, line);
    let said = fixture.docker.ok(arguments)?;
    for text in [
        "installed 0",
        "put here by the installer",
        "1.2.3",
        "DisplayName    REG_SZ    Probe",
        "uninstalled 0",
        "gone",
        "missing 2",
    ] {
        ensure!(said.contains(text), "no {text:?} in {said}");
    }
    Ok(())
}
