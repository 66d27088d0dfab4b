//! Pictures of every page, light and dark, at 320, 390 and 1360 px, into the folder that is named. `cargo xtask shots`

use anyhow::{Context as _, Result};
use breakglass_e2e::browser::Look;
use breakglass_e2e::stage::Stage;
use breakglass_e2e::tab::Tab;
use std::path::{Path, PathBuf};

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).context("into which folder?")?);
    let stage = Stage::raise(0)?;
    let mut tab = Tab::open(Look::DESK)?;
    tab.go(&stage.url("/login"))?;
    all(&mut tab, &folder, "login")?;
    tab.cookies(&stage.url("/"), &stage.cookies()?)?;
    let mut pages = stage.pages();
    pages.push(("incident-hostile", format!("/incidents/{}", stage.hostile()?)));
    pages.push(("incident-long", format!("/incidents/{}", stage.long(500)?)));
    for (name, path) in pages {
        tab.go(&stage.url(&path))?;
        all(&mut tab, &folder, name)?;
    }
    tab.go(&stage.url(&format!("/incidents/{}", stage.stalled)))?;
    tab.eval("document.getElementById('dock').open = true; document.getElementById('dock').scrollIntoView({ block: 'center' })")?;
    all(&mut tab, &folder, "incident-confirm")?;
    Ok(())
}

/// What is in view first, and the whole page, in each size and both colours.
fn all(tab: &mut Tab, folder: &Path, name: &str) -> Result<()> {
    for look in [Look::NARROW, Look::PHONE, Look::DESK] {
        for (look, colours) in [(look, "light"), (look.dark(), "dark")] {
            tab.look(look)?;
            let path = folder.join(format!("{name}-{}-{colours}.png", look.size.0));
            tab.shot(&path)?;
            println!("{}", path.display());
        }
        tab.whole_shot(&folder.join(format!("{name}-{}-whole.png", look.size.0)))?;
    }
    Ok(())
}
