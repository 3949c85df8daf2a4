//! The keys: what each does, in one table that the help shows and the page obeys.

use super::Tab;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// To the next row.
    Down,
    /// To the row before.
    Up,
    /// Closes a directory, or goes to the one above; pans the map.
    Left,
    /// Opens a directory, or goes into it; pans the map.
    Right,
    /// A page down.
    PageDown,
    /// A page up.
    PageUp,
    /// To the first row.
    First,
    /// To the last row.
    Last,
    /// Opens what is selected: a directory, an item, a part of the map.
    Open,
    /// Goes up: closes what lies over the screen, leaves a field, a zoom, a selection.
    Escape,
    /// Closer, at the middle.
    ZoomIn,
    /// Farther.
    ZoomOut,
    /// The whole.
    ZoomAll,
    /// To the field for searching.
    Find,
    /// To an offset.
    Goto,
    /// Another view.
    Tab(Tab),
    /// To the finding before.
    PreviousFinding,
    /// To the next finding.
    NextFinding,
    /// Copies the path or digest of the selection.
    Copy,
    /// Saves what is selected.
    Save,
    /// Shows and hides the entry panel.
    Panel,
    /// Shows the keys.
    Help,
}

impl Command {
    /// Whether it is about what the view shows or what is selected in it; the others are about the page.
    pub const fn is_of_view(self) -> bool {
        !matches!(
            self,
            Self::Escape
                | Self::Find
                | Self::Goto
                | Self::Tab(_)
                | Self::PreviousFinding
                | Self::NextFinding
                | Self::Panel
                | Self::Help
        )
    }

    /// Whether it goes to another row.
    pub const fn is_step(self) -> bool {
        matches!(self, Self::Down | Self::Up | Self::PageDown | Self::PageUp | Self::First | Self::Last)
    }
}

/// A line of the help: keys, what they do, command of each key as the browser names it.
pub struct Binding {
    /// As they are shown.
    pub shown: &'static str,
    /// What they do.
    pub does: &'static str,
    /// Names as in `KeyboardEvent.key`, and what each asks for.
    pub keys: &'static [(&'static str, Command)],
}

macro_rules! bindings {
    ($($shown:literal $does:literal: $($key:literal => $command:expr),+;)+) => {
        &[$(Binding { shown: $shown, does: $does, keys: &[$(($key, $command)),+] }),+]
    };
}

/// All keys, in the order of the help.
pub const BINDINGS: &[Binding] = bindings! {
    "/" "find by name or path": "/" => Command::Find;
    "j k ↓ ↑" "next and previous row":
        "j" => Command::Down, "ArrowDown" => Command::Down, "k" => Command::Up, "ArrowUp" => Command::Up;
    "h l ← →" "close and open a directory, go up and in; pan the map":
        "h" => Command::Left, "ArrowLeft" => Command::Left, "l" => Command::Right, "ArrowRight" => Command::Right;
    "Page\u{a0}Up Page\u{a0}Down" "a page up and down": "PageUp" => Command::PageUp, "PageDown" => Command::PageDown;
    "Home End" "first and last row": "Home" => Command::First, "End" => Command::Last;
    "Enter" "open, zoom to": "Enter" => Command::Open;
    "Esc" "up: close a panel, leave a field, a zoom, a selection": "Escape" => Command::Escape;
    "+ − 0" "zoom the map in, out, to the whole":
        "+" => Command::ZoomIn, "=" => Command::ZoomIn, "-" => Command::ZoomOut, "0" => Command::ZoomAll;
    "1 … 6" "the views, from Files to Compare":
        "1" => Command::Tab(Tab::Files), "2" => Command::Tab(Tab::Layout), "3" => Command::Tab(Tab::Chunks),
        "4" => Command::Tab(Tab::Structure), "5" => Command::Tab(Tab::Findings), "6" => Command::Tab(Tab::Compare);
    "[ ]" "previous and next finding": "[" => Command::PreviousFinding, "]" => Command::NextFinding;
    "g" "go to an offset": "g" => Command::Goto;
    "c" "copy the path or digest of the selection": "c" => Command::Copy;
    "s" "save the selected file": "s" => Command::Save;
    "p" "show and hide the entry panel": "p" => Command::Panel;
    "?" "this list": "?" => Command::Help;
};

/// Where a key was pressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Where {
    /// With Control, Alt or Meta: the browser's, not ours.
    pub modified: bool,
    /// In a field into which one types.
    pub typing: bool,
    /// On a button, link or box, which Enter is for.
    pub control: bool,
    /// On a choice or slider, which the arrows are for, too.
    pub choice: bool,
}

/// What a key asks for there.
pub fn command(key: &str, place: Where) -> Option<Command> {
    if place.modified {
        return None;
    }
    let command = BINDINGS.iter().flat_map(|binding| binding.keys).find(|(name, _)| *name == key)?.1;
    if place.typing && command != Command::Escape {
        return None;
    }
    let enter = command == Command::Open;
    let moves = key.starts_with("Arrow") || matches!(key, "Home" | "End" | "PageUp" | "PageDown");
    let own = enter && (place.control || place.choice) || moves && place.choice;
    (!own).then_some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_keep_their_own_keys_and_no_others() {
        let (button, choice) =
            (Where { control: true, ..Where::default() }, Where { choice: true, ..Where::default() });
        assert_eq!(command("Enter", Where::default()), Some(Command::Open));
        assert_eq!(command("Enter", button), None);
        assert_eq!(command("End", button), Some(Command::Last));
        assert_eq!(command("ArrowDown", choice), None);
        assert_eq!(command("j", choice), Some(Command::Down));
        let typing = Where { typing: true, ..Where::default() };
        assert_eq!((command("j", typing), command("Escape", typing)), (None, Some(Command::Escape)));
        assert_eq!(command("1", Where { modified: true, ..Where::default() }), None);
    }

    #[test]
    fn no_key_has_two_meanings() {
        let mut keys: Vec<&str> = BINDINGS.iter().flat_map(|it| it.keys).map(|(key, _)| *key).collect();
        keys.sort_unstable();
        let all = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }
}
