"""What NanoAI must make of every file in the folder of real instrument files, and why.

The pixel sizes were worked out from the metadata themselves (see the remarks), not by running the reader.
A name with ``!`` is a member of an archive, which the test unpacks.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Opens:
    """The recommended image of a file.

    ``nm_per_px`` is ``None`` for an image that must count as uncalibrated; ``doubt`` is then a part
    of the sentence that says why.
    """

    shape: tuple[int, int]
    dtype: str
    nm_per_px: float | None
    frames: int = 1
    doubt: str = ""
    source: str = ""
    data_bar_top: int | None = None


@dataclass(frozen=True)
class Refused:
    """A part of the sentence with which a file is refused."""

    because: str


SPECTRA = Refused("holds spectra")
LINE = Refused("single line of values")
COMPLEX = Refused("complex numbers")
DIFFRACTION = Refused("diffraction pattern")
NO_IMAGE = Refused("is not an image that NanoAI can read")
X_RAY_MAP = Refused("X-ray map")
ARCHIVE = Refused("packed archive")
SCAN = Refused("data with 4 axes")
SCAN_MOVIE = Refused("diffraction patterns of a scan")
NO_SER = Refused("belongs to .ser files")
NOT_SQUARE = Refused("too far from square")
NO_UNIT = "no unit of length"

FILES: dict[str, Opens | Refused] = {
    # FEI: [Scan] PixelWidth=3.3724e-009; [Image] ResolutionY=1024 of 1094 rows, the rest is the bar.
    "fei_helios/granular.tif": Opens((1094, 1536), "uint8", 3.3724, source="FEI", data_bar_top=1024),
    # ncempy
    "ncempy/08_carbon.dm3": SPECTRA,
    "ncempy/16_STOimage.emi": Opens((1024, 1024), "uint16", 0.01001270424),
    "ncempy/16_STOimage_1.ser": Opens((1024, 1024), "uint16", 0.01001270424),
    # Axes dim1 and dim2 in steps of 0.012246525 "n_m".
    "ncempy/Acquisition_18.emd": Opens((1024, 1024), "uint16", 0.012246525),
    "ncempy/Camera Ceta Diffraction Micro.emd": DIFFRACTION,  # PixelUnitX "1/m"
    "ncempy/Camera Ceta Imaging Micro.emd": Opens((512, 512), "int16", 3.13883705, source="Velox"),
    "ncempy/LICENSE": NO_IMAGE,
    # "Diffraction" here is the name of the lens mode: PixelSize 8.737e-08, PixelUnit "m".
    "ncempy/STEM HAADF Diffraction Micro.emd": Opens((128, 128), "uint16", 87.370796),
    "ncempy/STEM HAADF-DF4-DF2-BF Diffraction Micro.emd": Opens((128, 128), "uint16", 87.370796, frames=4),
    # "Pixel Size" 21.1, but IsPixelSizeCalibrated 0.
    "ncempy/au_145mm_68kx_microprobe_01.h5": Opens((64, 64), "int16", None, 3, doubt="not calibrated"),
    "ncempy/au_145mm_68kx_microprobe_01_master.h5": Refused("raw patterns"),
    "ncempy/dmTest_3D_int16_64,65,66.dm3": NOT_SQUARE,  # 2 pm x 3 nm
    "ncempy/dmTest_float32_nonSquare_diffPixelSize.dm4": NOT_SQUARE,  # 1 nm x 2 A
    "ncempy/emd_type1_stringDims.h5": SCAN,
    # Cell of 256 A in 128 px.
    "ncempy/temp.mrc": Opens((128, 128), "float32", 0.2, frames=3),
    # nionswift: axes in "µ", "µn", "µnn"
    "nionswift_io/LICENSE": NO_IMAGE,
    "nionswift_io/ref_F_0_1.dm3": LINE,
    "nionswift_io/ref_F_0_1.dm4": LINE,
    "nionswift_io/ref_F_0_2.dm5": Opens((3, 2), "float32", None, doubt=NO_UNIT),
    "nionswift_io/ref_F_1_1.dm3": SPECTRA,
    "nionswift_io/ref_F_1_1.dm4": SPECTRA,
    "nionswift_io/ref_F_1_2.dm3": Opens((3, 2), "float32", None, 4, doubt=NO_UNIT),
    "nionswift_io/ref_F_1_2.dm4": Opens((3, 2), "float32", None, 4, doubt=NO_UNIT),
    "nionswift_io/ref_F_1_2.dm5": Opens((3, 2), "float32", None, 4, doubt=NO_UNIT),
    "nionswift_io/ref_F_2_1.dm4": SPECTRA,
    "nionswift_io/ref_F_2_1.dm5": SPECTRA,
    "nionswift_io/ref_T_0_1.dm3": SPECTRA,
    "nionswift_io/ref_T_0_1.dm4": SPECTRA,
    "nionswift_io/ref_T_0_1.dm5": SPECTRA,
    "nionswift_io/ref_T_0_2.dm3": Opens((4, 5), "float32", None, 3, doubt=NO_UNIT),
    "nionswift_io/ref_T_0_2.dm4": Opens((4, 5), "float32", None, 3, doubt=NO_UNIT),
    "rosettasciio/COPYING.txt": NO_IMAGE,
    # DigitalMicrograph: images, a plot beside an image, a mode of diffraction, a packed transform
    "rosettasciio/digitalmicrograph/2D/multi_signal.dm3": Opens((512, 512), "uint16", 0.0177515782),
    "rosettasciio/digitalmicrograph/2D/test-MonoCL_spectrum-SI.dm4": SPECTRA,
    "rosettasciio/digitalmicrograph/2D/test_STEM_image.dm3": Opens((68, 68), "uint32", 0.248538017),
    "rosettasciio/digitalmicrograph/2D/test_diffraction_pattern.dm3": DIFFRACTION,
    "rosettasciio/digitalmicrograph/2D/test_diffraction_pattern_tags_removed.dm3": DIFFRACTION,
    "rosettasciio/digitalmicrograph/2D/test_fft_packed_complex8.dm4": COMPLEX,
    "rosettasciio/digitalmicrograph/3D/EELS_SI.dm4": SPECTRA,
    "rosettasciio/digitalmicrograph/1D/test-EDS_spectrum.dm3": SPECTRA,
    "rosettasciio/digitalmicrograph/1D/test-EELS_spectrum.dm3": SPECTRA,
    "rosettasciio/digitalmicrograph/1D/test-MonarcCL_spectrum-ccd.dm4": SPECTRA,
    "rosettasciio/digitalmicrograph/1D/test-MonarcCL_spectrum-pmt.dm4": SPECTRA,
    "rosettasciio/digitalmicrograph/1D/test-MonoCL_spectrum-ccd.dm4": SPECTRA,
    **{
        f"rosettasciio/digitalmicrograph/Fei HAADF-{where}_location.dm3": Opens((4, 16), "uint16", 5.50607312)
        for where in ("DE", "FR", "MX", "UK")  # written with decimal points and commas
    },
    "rosettasciio/digitalmicrograph/test_stackbuilder_imagestack.dm3": Opens(
        (2, 16), "uint32", 59.9829033, frames=3
    ),
    # EMD: Velox, NCEM, prismatic, py4DSTEM
    "rosettasciio/emd/FFTComplexOdd.emd": Opens((128, 128), "uint16", 27.1152956),  # its image, not its FFT
    "rosettasciio/emd/Si100_1x1x3-zStart5.43.emd": SCAN,
    "rosettasciio/emd/Si100_1x1x3-zStart6.7875.emd": SCAN,
    # Two detector images and four slices of the potential; its other data have four axes.
    "rosettasciio/emd/Si100_2D_3D_DPC_potential_2slices.emd": Opens((22, 22), "float32", 0.25, frames=6),
    "rosettasciio/emd/Si100_2x1x1_3D.emd": Opens((22, 44), "float32", 0.25),
    "rosettasciio/emd/Si100_3D.emd": Opens((22, 22), "float32", 0.25, frames=37),
    "rosettasciio/emd/example_axis_len_1.emd": LINE,
    "rosettasciio/emd/example_bytes_string_metadata.emd": LINE,
    "rosettasciio/emd/example_image.emd": Opens((3, 3), "int32", None, doubt=NO_UNIT),
    "rosettasciio/emd/example_object_dtype_data.emd": Refused("does not hold numbers"),
    "rosettasciio/emd/example_spectrum.emd": LINE,
    "rosettasciio/emd/fei_example_complex_fft.emd": COMPLEX,
    "rosettasciio/emd/fei_example_dpc_titles.emd": Opens((2, 2), "uint16", 0.0996199156, frames=8),
    "rosettasciio/emd/fei_example_tem_stack.emd": Opens((3, 3), "int16", 0.00817288319, frames=2),
    "rosettasciio/emd/py4DSTEM_size2x3x4x5.h5": SCAN,
    "rosettasciio/emd/velox_EELS_EDS.zip": ARCHIVE,
    "rosettasciio/emd/velox_EELS_EDS.zip!example_velox_EELS_EDS.emd": Opens(
        (128, 128), "uint16", 158.658038, frames=2
    ),
    "rosettasciio/emd/velox_emd_version11.zip": ARCHIVE,
    "rosettasciio/emd/velox_emd_version11.zip!Test SI 16x16 215 kx.emd": Opens(
        (16, 16), "uint16", 3.59924926, frames=2
    ),
    "rosettasciio/emd/velox_emd_version11.zip!Test SI 16x16 ReducedData 215 kx.emd": Opens(
        (16, 16), "uint16", 3.59924926
    ),
    # JEOL: a view of 178 mm at 40000 x in 512 px, of 198 mm at 400000 x in 256 and in 64 px
    "rosettasciio/jeol/181019-BN.ASW": Refused("list of a JEOL project"),
    "rosettasciio/jeol/InvalidFrame/dummy2.ASW": Refused("list of a JEOL project"),
    "rosettasciio/jeol/InvalidFrame/readme.txt": NO_IMAGE,
    "rosettasciio/jeol/Sample/00_View000/View000_0000000.img": Opens((512, 512), "uint8", 178e6 / 40e3 / 512),
    **{f"rosettasciio/jeol/Sample/00_View000/View000_000000{i}.map": X_RAY_MAP for i in range(1, 6)},
    "rosettasciio/jeol/Sample/00_View000/View000_0000006.pts": Refused("spectrum image"),
    "rosettasciio/jeol/jeol_seq_eds_files.zip": ARCHIVE,
    "rosettasciio/jeol/jeol_seq_eds_files.zip!1/1.ASW": Refused("list of a JEOL project"),
    "rosettasciio/jeol/jeol_seq_eds_files.zip!1/Desktop.ini": NO_IMAGE,
    "rosettasciio/jeol/jeol_seq_eds_files.zip!1/Sample/00_View002/View002_0000000.img": Opens(
        (512, 512), "uint8", 0.2578125
    ),
    "rosettasciio/jeol/jeol_seq_eds_files.zip!1/Sample/00_View002/View002_0000001.eds": Refused("spectrum"),
    "rosettasciio/jeol/jeol_seq_eds_files.zip!1/Sample/00_View002/View002_0000002.eds": Refused("spectrum"),
    "rosettasciio/jeol/jeol_seq_eds_files.zip!1/project_folder.ico": NO_IMAGE,
    # MRC: pixel size -1.0; Direct Electron's movies are scans of patterns ("Scan - Enable = Enable").
    "rosettasciio/mrc/20241021_00405_final.mrc": Opens((4, 8), "float32", None, doubt="-1 nm per px"),
    "rosettasciio/mrc/20241021_00405_info.txt": NO_IMAGE,
    "rosettasciio/mrc/20241021_00405_movie.mrc": SCAN_MOVIE,
    "rosettasciio/mrc/3DTEMDiffracting_scan_info.txt": NO_IMAGE,
    "rosettasciio/mrc/Custom_info.txt": NO_IMAGE,
    "rosettasciio/mrc/Custom_movie.mrc": SCAN_MOVIE,
    "rosettasciio/mrc/Custom_scan_coordinates.csv": NO_IMAGE,
    "rosettasciio/mrc/ROI_Random_Scan_Sum.mrc": Opens((29, 12), "float32", None, doubt="-1 nm per px"),
    "rosettasciio/mrc/info.txt": NO_IMAGE,
    # TIA: .emi needs its .ser; .ser keeps 1/m of a pattern where metres belong.
    "rosettasciio/tia/new/128x128-TEM_search.emi": NO_SER,
    "rosettasciio/tia/new/128x128_TEM_acquire-sum1.emi": Opens((128, 128), "int32", 21.4793175),
    "rosettasciio/tia/new/128x128_TEM_acquire-sum1_1.ser": Opens((128, 128), "int32", 21.4793175),
    "rosettasciio/tia/new/128x128x5-diffraction_preview.emi": DIFFRACTION,
    "rosettasciio/tia/new/128x128x5-diffraction_preview_1.ser": DIFFRACTION,
    "rosettasciio/tia/new/16x16-diffraction_imagel_5x5x256x256_EDS_1.ser": SPECTRA,
    "rosettasciio/tia/new/16x16-diffraction_imagel_5x5x256x256_EDS_copy.emi": SPECTRA,
    "rosettasciio/tia/new/16x16-diffraction_imagel_5x5x256x256_EDS_copy_1.ser": SPECTRA,
    "rosettasciio/tia/new/16x16-line_profile_horizontal_5x128x128_EDS.emi": SPECTRA,
    "rosettasciio/tia/new/16x16-line_profile_horizontal_5x128x128_EDS_1.ser": SPECTRA,
    "rosettasciio/tia/new/16x16-line_profile_horizontal_5x128x128_EDS_2.ser": DIFFRACTION,
    "rosettasciio/tia/new/16x16-spectrum_image_5x5x4000-not_square.emi": NO_SER,
    "rosettasciio/tia/old/03_Scanning Preview.emi": Opens((128, 128), "uint16", 0.384352488, frames=5),
    "rosettasciio/tia/old/03_Scanning Preview_1.ser": Opens((128, 128), "uint16", 0.384352488, frames=5),
    "rosettasciio/tia/old/16x16-2_point-spectra-2x1024.emi": SPECTRA,
    "rosettasciio/tia/old/16x16-2_point-spectra-2x1024_1.ser": SPECTRA,
    "rosettasciio/tia/old/16x16-line_profile_diagonal_10x1024.emi": NO_SER,
    "rosettasciio/tia/old/16x16-line_profile_horizontal_10x1024.emi": SPECTRA,
    "rosettasciio/tia/old/16x16-line_profile_horizontal_10x1024_1.ser": SPECTRA,
    "rosettasciio/tia/old/16x16-point_spectrum-1x1024.emi": SPECTRA,
    "rosettasciio/tia/old/16x16-point_spectrum-1x1024_1.ser": SPECTRA,
    "rosettasciio/tia/old/16x16-spectrum_image-5x5x1024.emi": SPECTRA,
    "rosettasciio/tia/old/16x16-spectrum_image-5x5x1024_1.ser": SPECTRA,
    "rosettasciio/tia/old/16x16_STEM_BF_DF_acquire.emi": NO_SER,
    "rosettasciio/tia/old/16x16_STEM_BF_DF_search.emi": NO_SER,
    "rosettasciio/tia/old/16x16x5_STEM_BF_DF_preview_1.ser": Opens((16, 16), "uint16", 21.5100441, frames=5),
    "rosettasciio/tia/old/16x16x5_STEM_BF_DF_preview_2.ser": Opens((16, 16), "uint16", 21.5100441, frames=5),
    "rosettasciio/tia/old/64x64_TEM_images_acquire.npy": NO_IMAGE,
    "rosettasciio/tia/old/64x64_TEM_images_acquire_1.ser": Opens((64, 64), "float32", 6.28183362),
    "rosettasciio/tia/old/64x64_diffraction_acquire.emi": DIFFRACTION,
    "rosettasciio/tia/old/64x64_diffraction_acquire_1.ser": DIFFRACTION,
    "rosettasciio/tia/old/64x64x5_TEM_preview_1.ser": Opens((64, 64), "float32", 6.28183362, frames=5),
    "rosettasciio/tia/old/X - Au NP EELS_2.ser": SPECTRA,
    "rosettasciio/tia/old/more_ser_then_emi_metadata.emi": NO_SER,
    # JEOL SightX: 3642 px per metre of the screen, divided by the magnification
    "rosettasciio/tiff/JEOL-SightX-Ronchigram-dummy.tif.gz": ARCHIVE,
    "rosettasciio/tiff/JEOL-SightX-Ronchigram-dummy.tif.gz!": Opens(
        (556, 556), "uint16", None, doubt="Ronchigram"
    ),
    "rosettasciio/tiff/JEOL-SightX-SAED-dummy.tif.gz": ARCHIVE,
    "rosettasciio/tiff/JEOL-SightX-SAED-dummy.tif.gz!": DIFFRACTION,  # ModeString DIFF
    "rosettasciio/tiff/JEOL-SightX-TEM-mag-dummy.tif.gz": ARCHIVE,
    "rosettasciio/tiff/JEOL-SightX-TEM-mag-dummy.tif.gz!": Opens((556, 556), "uint16", 1e9 / (3642 * 150e3)),
    # A light microscope's 150 dpi are for the printer.
    "rosettasciio/tiff/optical_Zeiss_AxioVision_BW.tif": Opens((10, 13), "uint8", None, doubt="printing"),
    "rosettasciio/tiff/optical_Zeiss_AxioVision_RGB.tif": Opens((10, 13), "uint8", None, doubt="printing"),
    # A camera pixel of 14 µm at 83 x.
    "rosettasciio/tiff/test_dm_image_um_unit.dm3": Opens((68, 68), "int32", 14e3 / 83),
    "rosettasciio/tiff/test_loading_image_saved_with_DM.tif": Opens(
        (68, 68), "int32", 14e3 / 83, source="DM"
    ),
    "rosettasciio/tiff/test_loading_image_saved_with_DM_stack.tif": NOT_SQUARE,  # 0.169 x 1.69 µm
    # 5928571 px in 1000000 micron
    "rosettasciio/tiff/test_loading_image_saved_with_imageJ.tif": Opens(
        (68, 68), "float32", 1e9 / 5928571, source="ImageJ"
    ),
    "rosettasciio/tiff/test_loading_image_saved_with_imageJ_no_scale.tif": Opens(
        (68, 68), "float32", None, doubt="without a scale"
    ),
    "rosettasciio/tiff/test_loading_image_saved_with_imageJ_stack_no_scale.tif": Opens(
        (68, 68), "float32", None, 2, doubt="without a scale"
    ),
    "rosettasciio/tiff/test_rgba16.zip": ARCHIVE,
    "rosettasciio/tiff/test_rgba16.zip!test_rgba16.tif": Opens(
        (128, 128), "uint16", None, 3, doubt="no pixel size"
    ),
    # Zeiss: a size for a display of 1024 px; "Width" 25.24 µm / 2048, 2.677 mm / 1024, 5.965 µm / 512.
    "rosettasciio/tiff/tiff_Zeiss_SEM.zip": ARCHIVE,
    "rosettasciio/tiff/tiff_Zeiss_SEM.zip!ZEISS_SEM_multipage.tif": Opens(
        (1536, 2048), "uint8", 24.65245 / 2, 2, source="Zeiss"
    ),
    "rosettasciio/tiff/tiff_Zeiss_SEM.zip!test_tiff_Zeiss_SEM_1k.tif": Opens(
        (768, 1024), "uint8", 2614.514, source="Zeiss", data_bar_top=691
    ),
    "rosettasciio/tiff/tiff_Zeiss_SEM.zip!test_tiff_Zeiss_SEM_512pix.tif": Opens(
        (384, 512), "uint8", 5.824988 * 2, source="Zeiss", data_bar_top=350
    ),
}

_DATA_TYPES = {  # DigitalMicrograph's number of the type -> what it becomes
    1: "int16", 2: "float32", 6: "uint8", 7: "int32", 8: "uint8", 9: "int8", 10: "uint16",
    11: "uint32", 12: "float32", 14: "uint8", 23: "uint8",
}  # fmt: skip
_COMPLEX_TYPES = (3, 5, 13, 27)
_DM3 = (2, 6, 8, 9, 10, 11, 12, 13, 14, 23)
_DM4 = (1, 3, 5, 6, 7, 9, 11, 14, 23, 27)


def _data_type_files() -> dict[str, Opens | Refused]:
    """One file a data type in one, two and three dimensions, 2 px long each way, without units."""
    files: dict[str, Opens | Refused] = {}
    for suffix, types in (("dm3", _DM3), ("dm4", _DM4)):
        for number in types:
            for dimensions in (1, 2, 3):
                name = f"rosettasciio/digitalmicrograph/{dimensions}D/test-{number}.{suffix}"
                if number in _COMPLEX_TYPES:
                    files[name] = COMPLEX
                elif dimensions == 1:
                    files[name] = LINE
                else:
                    files[name] = Opens((2, 2), _DATA_TYPES[number], None, dimensions - 1, doubt=NO_UNIT)
    return files


def _interrupted_jeol_files() -> dict[str, Opens | Refused]:
    """Images of the bright field, stored as maps, among element maps of interrupted measurements."""
    folder = "rosettasciio/jeol/InvalidFrame/Sample/00_Dummy-Data/Dummy-Data_00000"
    files: dict[str, Opens | Refused] = {
        # The scan stopped at row 191; the rest is black and kept out like a data bar.
        f"{folder}00.img": Opens((256, 256), "uint8", 198e6 / 400e3 / 256, data_bar_top=191),
        f"{folder}07.pts": Refused("spectrum image"),
        f"{folder}08.apb": NO_IMAGE,
    }
    for number in (1, 2, 9, 10, 17, 18):
        files[f"{folder}{number:02}.map"] = Opens((64, 64), "uint8", 198e6 / 400e3 / 64)
    for number in (3, 5, 11, 12, 13, 14, 19, 20, 21):
        files[f"{folder}{number:02}.map"] = X_RAY_MAP
    return files


FILES.update(_data_type_files())
FILES.update(_interrupted_jeol_files())
