; Inno Setup: an installer for the person who runs it, without administrator rights.
;
;     iscc /DVersion=0.1.0 /DSource=dist\NanoAI-0.1.0-windows-amd64 packaging\windows\nanoai.iss
;
; Written and read through, never run by us: see the table of platforms in README.md.

#ifndef Version
  #error Give the version: /DVersion=...
#endif
#ifndef Source
  #error Give the folder of the program: /DSource=...
#endif

[Setup]
AppId=NanoAI-{#Version}
AppName=NanoAI
AppVersion={#Version}
AppVerName=NanoAI {#Version}
AppPublisher=The NanoAI authors
LicenseFile={#SourcePath}\..\..\LICENSE
PrivilegesRequired=lowest
DefaultDirName={localappdata}\Programs\NanoAI {#Version}
DefaultGroupName=NanoAI
DisableProgramGroupPage=yes
UninstallDisplayIcon={app}\nanoai-gui.exe
OutputDir={#SourcePath}\..\..\dist
OutputBaseFilename=NanoAI-{#Version}-setup
Compression=lzma2
SolidCompression=yes
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
ChangesAssociations=yes
WizardStyle=modern

[Tasks]
Name: desktopicon; Description: "An icon on the desktop"; Flags: unchecked
Name: association; Description: "Open .nanoai projects with this version"

[Files]
Source: "{#SourcePath}\..\..\{#Source}\*"; DestDir: "{app}"; Flags: recursesubdirs createallsubdirs ignoreversion

[Icons]
Name: "{group}\NanoAI {#Version}"; Filename: "{app}\nanoai-gui.exe"
Name: "{userdesktop}\NanoAI"; Filename: "{app}\nanoai-gui.exe"; Tasks: desktopicon

[Registry]
Root: HKCU; Subkey: "Software\Classes\.nanoai"; ValueType: string; ValueData: "NanoAI.project"; Tasks: association; Flags: uninsdeletevalue
Root: HKCU; Subkey: "Software\Classes\NanoAI.project"; ValueType: string; ValueData: "NanoAI project"; Tasks: association; Flags: uninsdeletekey
Root: HKCU; Subkey: "Software\Classes\NanoAI.project\DefaultIcon"; ValueType: string; ValueData: "{app}\nanoai-gui.exe,0"; Tasks: association
Root: HKCU; Subkey: "Software\Classes\NanoAI.project\shell\open\command"; ValueType: string; ValueData: """{app}\nanoai-gui.exe"" ""%1"""; Tasks: association

[Run]
Filename: "{app}\nanoai-gui.exe"; Description: "Start NanoAI"; Flags: nowait postinstall skipifsilent
