//! What kind of file it is, as its name tells. A file's contents are not looked at: a million of them are coloured at once.

use std::sync::OnceLock;

use pxkit_core::layout::sort_things;

/// Kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Group {
    /// Text, source code, configuration.
    Text,
    /// Documents, fonts, and what else is for reading.
    Documents,
    /// Pictures.
    Images,
    /// Sound and films.
    Media,
    /// Archives, packages, compressed files, images of disks.
    Archives,
    /// Programs, libraries, and what compilers make.
    Programs,
    /// Databases, tables, weights, caches.
    Data,
    /// Everything else.
    Other,
}

impl Group {
    /// All of them in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Text,
        Self::Documents,
        Self::Images,
        Self::Media,
        Self::Archives,
        Self::Programs,
        Self::Data,
        Self::Other,
    ];

    /// What legends call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text, source",
            Self::Documents => "documents",
            Self::Images => "images",
            Self::Media => "audio, video",
            Self::Archives => "archives, compressed",
            Self::Programs => "programs, libraries",
            Self::Data => "data, databases",
            Self::Other => "other",
        }
    }
}

/// Endings of each group, in small letters, at most 16 of them.
const ENDINGS: [(Group, &str); 7] = [
    (
        Group::Text,
        "txt text md rst adoc org tex log c h cc cpp cxx hpp hh hxx m mm rs go py pyi pl pm rb js mjs cjs jsx ts tsx vue \
         java kt kts scala clj cs fs vb swift zig nim d hs ml mli el lisp scm lua r jl php phtml asp erb sh bash zsh fish csh \
         ksh ps1 bat cmd awk sed tcl s asm html htm xhtml css scss sass less svg xml xsl xslt xsd dtd json json5 jsonl yaml yml toml \
         ini cfg conf config cnf rc properties env desktop service socket timer mount target rules list sources repo po pot srt \
         vtt diff patch cmake mk mak make am ac in m4 dts dtsi y l gradle sbt tf nix bzl ninja proto thrift graphql sql csv tsv \
         pem crt cer key pub asc sig sum md5 sha1 sha256 1 2 3 4 5 6 7 8 9 man pod texi info dot gv plist lock mod \
         kconfig template tmpl tpl j2 hbs ejs pug map",
    ),
    (
        Group::Documents,
        "pdf ps eps djvu doc docx docm dot dotx odt ott rtf xls xlsx xlsm ods ots ppt pptx pptm odp otp odg pages numbers \
         key epub mobi azw azw3 fb2 chm hlp eml msg mbox ics vcf ttf otf ttc woff woff2 pfb pfm afm pcf bdf dvi xps oxps \
         vsd vsdx drawio dwg dxf",
    ),
    (
        Group::Images,
        "jpg jpeg jpe jfif png apng gif bmp dib tif tiff webp avif heic heif jxl jp2 j2k ico cur icns tga pcx ppm pgm pbm pnm xpm \
         xbm xcf psd psb ai cdr raw cr2 cr3 nef nrw arw sr2 dng orf rw2 raf pef exr hdr dds ktx",
    ),
    (
        Group::Media,
        "mp3 m4a m4b aac ogg oga opus flac alac wav wave aif aiff aifc wma ape mka mid midi mod s3m xm it au ra amr ac3 dts \
         mp4 m4v mkv webm avi mov qt wmv asf flv f4v mpg mpeg mpe m2v m2ts mts vob ogv 3gp 3g2 rm rmvb divx",
    ),
    (
        Group::Archives,
        "zip zipx 7z rar tar tgz tbz tbz2 txz tzst tlz gz bz2 xz zst zstd lz lz4 lzma lzo br z cpio ar cab arj lha lzh ace sit \
         sitx dmg iso img udf vhd vhdx vmdk vdi qcow qcow2 deb udeb rpm apk ipk snap flatpak pkg msi msix appimage crx xpi jar \
         war ear aar whl egg gem nupkg crate pxar mpxar ppxar squashfs sqfs wim esd swm pack",
    ),
    (
        Group::Programs,
        "so a o ko lo la exe dll sys drv ocx com scr dylib bundle bin elf out class dex oat odex vdex pyc pyo pyd wasm rlib rmeta hi \
         beam node obj lib pdb gch pch mo efi rom fw ucode hex dtb dtbo",
    ),
    (
        Group::Data,
        "db db3 sqlite sqlite3 mdb accdb frm ibd myd myi ibdata dbf mdf ldf ndf wal sst ldb parquet arrow feather orc avro h5 hdf5 nc \
         npy npz mat rds rdata pkl pickle pt pth ckpt onnx safetensors gguf ggml tflite pb idx index dat data cache bak dump rrd \
         journal blob fidx didx pcap pcapng etl evtx hprof mmdb tdb kdbx gpg pgp shp shx gpkg mbtiles las laz vtk fits root \
         trie bdic dic aff",
    ),
];

/// Names without an ending that are text.
const NAMES: &str = "makefile gnumakefile dockerfile vagrantfile readme license licence copying copyright authors changelog changes news \
                     todo kconfig kbuild install control rules maintainers credits passwd group shadow gshadow hosts hostname fstab crontab \
                     version md5sums conffiles postinst preinst postrm prerm shlibs symbols triggers templates";

/// An ending as a number, in small letters; `None` if it is longer than 16.
fn key(ending: &[u8]) -> Option<u128> {
    (ending.len() <= 16)
        .then(|| ending.iter().fold(0, |key, byte| key << 8 | u128::from(byte.to_ascii_lowercase())))
}

/// All endings with their groups, sorted. Of an ending that stands in two groups the first counts.
fn endings() -> &'static [(u128, Group)] {
    static SORTED: OnceLock<Vec<(u128, Group)>> = OnceLock::new();
    SORTED.get_or_init(|| {
        let words =
            |&(group, words): &(Group, &'static str)| words.split_whitespace().map(move |word| (word, group));
        let all = ENDINGS.iter().flat_map(words);
        let mut sorted: Vec<_> =
            all.filter_map(|(word, group)| Some((key(word.as_bytes())?, group))).collect();
        sort_things(&mut sorted, |a, b| a.0.cmp(&b.0));
        sorted.dedup_by_key(|&mut (key, _)| key);
        sorted
    })
}

fn names() -> &'static [u128] {
    static SORTED: OnceLock<Vec<u128>> = OnceLock::new();
    SORTED.get_or_init(|| {
        let mut sorted: Vec<_> = NAMES.split_whitespace().filter_map(|word| key(word.as_bytes())).collect();
        sort_things(&mut sorted, Ord::cmp);
        sorted
    })
}

/// The group of a file, by its name and whether it may be executed.
pub fn group(name: &[u8], is_executable: bool) -> Group {
    let mut stem = name;
    // Numbers behind an ending are versions of libraries, or old logs.
    for _ in 0..4 {
        let Some(dot) = stem.iter().rposition(|&byte| byte == b'.') else { break };
        let ending = &stem[dot + 1..];
        let is_version = !ending.is_empty() && ending.iter().all(u8::is_ascii_digit);
        let known = key(ending).and_then(|key| {
            let endings = endings();
            endings.binary_search_by_key(&key, |ending| ending.0).ok().map(|at| endings[at].1)
        });
        if is_version && stem[..dot].contains(&b'.') {
            stem = &stem[..dot];
            continue;
        }
        if let Some(group) = known {
            return group;
        }
        if dot == 0 {
            // Settings of programs in a home directory.
            return Group::Text;
        }
        break;
    }
    if is_executable {
        return Group::Programs;
    }
    let is_text = !name.contains(&b'.') && key(name).is_some_and(|key| names().binary_search(&key).is_ok());
    if is_text { Group::Text } else { Group::Other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell() {
        let cases: &[(&str, Group)] = &[
            ("main.rs", Group::Text),
            ("page.HTML", Group::Text),
            ("Makefile", Group::Text),
            ("COPYRIGHT", Group::Text),
            (".bashrc", Group::Text),
            ("ls.1", Group::Text),
            ("report.pdf", Group::Documents),
            ("holiday.JPG", Group::Images),
            ("song.flac", Group::Media),
            ("root.tar.gz", Group::Archives),
            ("libc.so", Group::Programs),
            ("libssl.so.1.1.1", Group::Programs),
            ("syslog.log.3", Group::Text),
            ("ext4.ko.xz", Group::Archives),
            ("places.sqlite", Group::Data),
            ("IMG_0001", Group::Other),
            ("strange.ending-that-is-long", Group::Other),
            ("", Group::Other),
            (".", Group::Text),
            ("a..", Group::Other),
        ];
        for &(name, group) in cases {
            assert_eq!(super::group(name.as_bytes(), false), group, "{name}");
        }
        assert_eq!(group(b"bash", true), Group::Programs);
        assert_eq!(group(b"configure.sh", true), Group::Text);
        assert_eq!(group(&[0xff, b'.', 0xfe], false), Group::Other);
    }

    #[test]
    fn all_endings_can_be_found() {
        for (_, words) in ENDINGS {
            for word in words.split_whitespace() {
                assert!(word.len() <= 16, "{word}");
                let name = format!("file.{word}");
                let is_number = word.bytes().all(|b| b.is_ascii_digit());
                assert!(is_number || group(name.as_bytes(), false) != Group::Other, "{word}");
            }
        }
    }
}
