"""What NanoAI must make of every file in the folder of real Raman files, and why.

Axis ends, lasers and places are those the files themselves state (read with a hex viewer, a text editor or
RosettaSciIO), converted by hand where they are not Raman shifts: ``nm(...)`` and ``per_cm(...)`` show how.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Opens:
    """The first set of a file: spectra, points, ends of the axis (cm-1), laser (nm), map (rows, columns)."""

    n_spectra: int
    n_points: int
    axis: tuple[float, float]
    laser: float | None = None
    grid: tuple[int, int] | None = None
    columns: tuple[str, ...] = ()
    warning: str = ""
    complete: bool = True


@dataclass(frozen=True)
class Asks:
    """The file needs a laser; with 785 nm it is ``then``."""

    unit: str
    then: Opens


@dataclass(frozen=True)
class Refused:
    """A part of the sentence with which a file is refused."""

    because: str


def nm(laser: float, first: float, last: float) -> tuple[float, float]:
    """Ends of an axis in nm as Raman shifts, lower one first."""
    low, high = sorted(1e7 / laser - 1e7 / value for value in (first, last))
    return low, high


def per_cm(laser: float, first: float, last: float) -> tuple[float, float]:
    """Ends of an axis in absolute cm-1 as Raman shifts, lower one first."""
    low, high = sorted(1e7 / laser - value for value in (first, last))
    return low, high


NO_COLUMNS = Refused("holds no columns of numbers")
ONE_COLUMN = Refused("holds one column of numbers")
INTERPOLATED = "by linear interpolation"
NO_UNIT = "does not tell the unit"

JY, WIRE, TVF = (
    f"instrument_files/renishaw_horiba_trivista/{name}" for name in ("jobinyvon", "renishaw", "trivista")
)
PAIRED, SPC = "instrument_files/paired_vendor_exports", "instrument_files/spc/test_data"
SWCNT = "swcnt_films/Corrected Data (Raman - Converted Samples)"
STAGE, TIMED = ("x_um", "y_um", "time_s"), ("time_s",)
HE_CD = 325.00033
"""Header of the files: 30769.2 cm-1."""

FILES: dict[str, Opens | Asks | Refused] = {
    # StreamLine: 23 columns measured one after the other, from y = 28.6 um downwards in steps of -1.3.
    "graphene_map/Example_Map.wdf": Opens(529, 1015, (1253.9308, 2801.421), 532.2509, (23, 23), STAGE),
    "instrument_files/jcamp/LICENSE.txt": NO_COLUMNS,
    "instrument_files/jcamp/data/raman_spectra/tannic_acid.jdx": Opens(1, 1949, (100.595, 2854.713)),
    # "#Laser= 532nm_Edge": nominal, and not needed here.
    "instrument_files/labspec_txt/subdir/LiNbWO6-0-H.txt": Opens(1, 1024, (12.5879, 1726.52), 532.0),
    "instrument_files/labspec_txt/subdir/LiNbWO6-45-H.txt": Opens(1, 1024, (12.5879, 1726.52), 532.0),
    "instrument_files/labspec_txt/subdir/LiNbWO6-90-H.txt": Opens(1, 1024, (12.5879, 1726.52), 532.0),
    # B&W Tek: 2048 pixels, of which those without a shift are no part of the spectrum. Its SPC is resampled.
    f"{PAIRED}/BWTEK/PST10_iR532_Probe_100_3000msx7.spc": Opens(1, 3808, (175, 3982)),
    f"{PAIRED}/BWTEK/PST10_iR532_Probe_100_3000msx7.txt": Opens(1, 1801, (145.99, 4010.28), 532.02),
    f"{PAIRED}/BWTEK/lamp Ne 10ms 0%.txt": Opens(1, 715, (-2.53, 1501.39), 784.9),
    f"{PAIRED}/BWTEK/lamp Ne 20 ms 0%.txt": Opens(1, 715, (-2.53, 1501.39), 784.9),
    f"{PAIRED}/Horiba/PST10_iR785_OP01_8000msx8.l6s": Refused("LabSpec 6"),
    f"{PAIRED}/Horiba/PST10_iR785_OP01_8000msx8.txt": Opens(1, 1024, (168.216, 3281.89), warning=NO_UNIT),
    f"{PAIRED}/InViaReflex/PST_Reflex532_Z050_010_10000msx2.spc": Opens(
        1, 2578, (100.26548, 3501.0625), 532.0
    ),
    f"{PAIRED}/InViaReflex/PST_Reflex532_Z050_010_10000msx2.txt": Opens(
        1, 2578, (100.265, 3501.06), warning=NO_UNIT
    ),
    f"{PAIRED}/InViaReflex/PST_Reflex532_Z050_010_10000msx2.wxd": Refused("WiRE 2"),
    f"{PAIRED}/LightNovo/polystyrene_aritficially_worsened.tsv": Opens(
        1, 2290, (100, 2389), 785.0, warning=NO_UNIT
    ),
    # Six columns, of which the processed one (dark subtracted) is the spectrum.
    f"{PAIRED}/Neegala/PST_532_SEX139.txt": Opens(1, 2048, (-1118.29014, 4751.54), 532.0),
    f"{PAIRED}/Neegala/PST_532nm_EZI860.txt": Opens(1, 2048, (-1108.75524, 4744.71), 532.0),
    f"{PAIRED}/Neegala/PST_AfCal_10min_532nm_EZI860.txt": Opens(1, 2048, (-1107.9642, 4750.35), 532.0),
    f"{PAIRED}/PrincetonInstruments/S0N_50x.spe": Refused("Princeton Instruments"),
    f"{PAIRED}/Renishaw/nCal_Qontor785_z005H12_100_1x3s.spc": Opens(1, 1021, (-154.50195, 1111.1084), 785.0),
    f"{PAIRED}/Renishaw/nCal_Qontor785_z005H12_100_1x3s.txt": Opens(
        1, 1021, (-154.50195, 1111.1084), warning=NO_UNIT
    ),
    f"{PAIRED}/Renishaw/nCal_Qontor785_z005H12_100_1x3s.wdf": Opens(
        1, 1021, (-154.50195, 1111.1084), 785.01564, None, TIMED
    ),
    f"{PAIRED}/Witec/PST_WITEcAlpha532_100x_075_10000ms_000_Spec.Data 1.spc": Opens(
        1, 1600, (-37.88561, 3731.93213)
    ),
    f"{PAIRED}/Witec/PST_WiICV532_Z050OP02_075_800msx10.txt": Opens(
        1, 1024, (-42.753862, 3852.2), warning=NO_UNIT
    ),
    f"{PAIRED}/Zolix/PST02_Zolix785_Probe_070_190ms.txt": Opens(
        1, 2095, (-241.82189, 3245.81), warning=NO_UNIT
    ),
    f"{PAIRED}/Zolix/lamp Ne 5ms.txt": Opens(1, 2095, (-236.929657, 3303.02), warning=NO_UNIT),
    f"{PAIRED}/Zolix/lamp Ne 7ms.txt": Opens(1, 2095, (-236.929657, 3303.02), warning=NO_UNIT),
    f"{PAIRED}/iRaman/PST02_iRPlus785_Z050_075_3200ms.txt": Opens(1, 1743, (-42.14, 3000.64), 784.82),
    f"{PAIRED}/rruf/Anatase__R060277__Broad_Scan____0__unoriented__Raman_Data_RAW__21346.rruf": Opens(
        1, 1753, (79.84985, 3458.52), warning=NO_UNIT
    ),
    f"{PAIRED}/rruf/Anatase__R060277__Broad_Scan____0__unoriented__Raman_Data_RAW__21346.txt": Opens(
        1, 1753, (79.84985, 3458.52), warning=NO_UNIT
    ),
    f"{PAIRED}/rruf/LICENSE": NO_COLUMNS,
    f"{PAIRED}/test_opus.0": Refused("OPUS"),
    f"{PAIRED}/x_axis.txt": ONE_COLUMN,
    f"{PAIRED}/y_axis.txt": ONE_COLUMN,
    # Photoluminescence on the anti-Stokes side of a 633 nm laser: odd, but nothing is wrong with the file.
    f"{JY}/jobinyvon_test_linescan.xml": Opens(
        3, 34, nm(632.817, 522.574, 537.361), 632.817, None, ("y_um",)
    ),
    f"{JY}/jobinyvon_test_map_x2-y2_rotated.xml": Opens(
        6, 34, nm(632.817, 720.924, 771.797), 632.817, (2, 3), ("x_um", "y_um"), "rotated on the stage"
    ),
    f"{JY}/jobinyvon_test_map_x3-y2.xml": Opens(
        6, 34, nm(632.817, 720.924, 771.797), 632.817, (2, 3), ("x_um", "y_um")
    ),
    f"{JY}/jobinyvon_test_spec_3s_abs-cm-1.xml": Opens(1, 34, per_cm(632.817, 12957.4, 13871.8), 632.817),
    f"{JY}/jobinyvon_test_spec_3s_cm-1.xml": Opens(1, 34, (1930.57, 2844.97), 632.817),
    # LabSpec's eV are 1240 / nm.
    f"{JY}/jobinyvon_test_spec_3s_eV.xml": Opens(1, 34, nm(632.817, 1240 / 1.60672, 1240 / 1.7201), 632.817),
    f"{JY}/jobinyvon_test_spec_range.xml": Opens(1, 105, nm(632.817, 720.924, 879.318), 632.817),
    # Stopped in the fourth line: three of four lines are there.
    f"{WIRE}/interrupted_acquisition.wdf": Opens(
        12, 1010, (-163.69336, 1128.625), 532.1611, (4, 4), STAGE, "holds 12 of 16 spectra", complete=False
    ),
    f"{WIRE}/renishaw_test_exptime10_acc1.wdf": Opens(1, 1015, (-789.916, 1662.6895), HE_CD, None, TIMED),
    f"{WIRE}/renishaw_test_exptime1_acc1.wdf": Opens(1, 1015, (-789.916, 1662.6895), HE_CD, None, TIMED),
    f"{WIRE}/renishaw_test_exptime1_acc2.wdf": Opens(1, 1015, (-789.916, 1662.6895), HE_CD, None, TIMED),
    f"{WIRE}/renishaw_test_focustrack.wdf": Opens(
        3, 1007, (-1069.9861, 1847.217), 532.2331, None, ("z_um", "time_s")
    ),
    f"{WIRE}/renishaw_test_focustrack_invariant.wdf": Opens(
        10, 1010, (-163.68164, 1128.6406), 532.1611, None, ("z_um", "time_s")
    ),
    f"{WIRE}/renishaw_test_linescan.wdf": Opens(5, 40, nm(HE_CD, 361.3132, 364.64175), HE_CD, None, STAGE),
    f"{WIRE}/renishaw_test_map2.wdf": Opens(
        400, 1015, nm(HE_CD, 326.17166, 412.4484), HE_CD, (20, 20), STAGE
    ),
    f"{WIRE}/renishaw_test_spectrum.wdf": Opens(1, 36, nm(HE_CD, 326.01633, 328.98077), HE_CD, None, TIMED),
    f"{WIRE}/renishaw_test_streamline.wdf": Opens(
        2205, 394, (924.1953, 1667.6943), 784.9971, (49, 45), STAGE
    ),
    f"{WIRE}/renishaw_test_timeseries.wdf": Opens(3, 1007, (-1069.9861, 1847.217), 532.2331, None, TIMED),
    # Two spectra, no metadata, no unit: RosettaSciIO gives their mean.
    f"{WIRE}/renishaw_test_undefined.wdf": Opens(2, 1015, (1170.9473, 2742.588), None, None, (), NO_UNIT),
    f"{WIRE}/renishaw_test_zscan.wdf": Opens(
        40, 1015, (1226.6053, 2787.783), 532.2501, None, ("z_um", "time_s")
    ),
    f"{TVF}/linescan.tvf": Asks(
        "in nm", Opens(21, 97, nm(785, 910.310425, 914.129028), 785, None, ("x_um",))
    ),
    f"{TVF}/map.tvf": Asks(
        "in nm", Opens(81, 1024, nm(785, 891.894470, 932.579285), 785, (9, 9), ("x_um", "y_um"))
    ),
    f"{TVF}/spec_step_and_glue.tvf": Asks("in nm", Opens(1, 18000, nm(785, 900.027222, 1499.89233), 785)),
    f"{TVF}/spec_timeseries_2x1s_delta3s.tvf": Opens(
        2, 1024, nm(790, 933.846924, 966.01953), 790.0, None, TIMED
    ),
    "instrument_files/spc/LICENSE": NO_COLUMNS,
    # Y is log(1/R), measured with an infrared source.
    f"{SPC}/4d_map.spc": Refused("absorbance spectrum, not a Raman"),
    f"{SPC}/CAthickyellow_try4_17_ZSCAN.spc": Opens(
        31, 1024, nm(532.2, 541.150391, 731.589661), 532.2, None, ("z_um",)
    ),
    f"{SPC}/CAthickyellow_try4_18.spc": Opens(1, 1024, nm(532.2, 629.461426, 819.255554), 532.2),
    f"{SPC}/DERt3_1.spc": Opens(1, 1024, nm(532.2, 541.150391, 731.589661), 532.2),
    f"{SPC}/Ft-ir.spc": Refused("transmission spectrum, not a Raman"),
    # "Wavenumber (cm-1)" at 15820 (a HeNe line) is absolute.
    f"{SPC}/HENE25.SPC": Asks("absolute cm⁻¹", Opens(1, 51, per_cm(785, 15820, 15815), 785)),
    f"{SPC}/KRY3.SPC": Asks("absolute cm⁻¹", Opens(1, 151, per_cm(785, 15590, 15575), 785)),
    f"{SPC}/KRY4.SPC": Asks("absolute cm⁻¹", Opens(1, 251, per_cm(785, 15500, 15475), 785)),
    f"{SPC}/NMR_SPC.SPC": Refused("NMR spectrum"),
    # RAMANFREQ= 9395: a Nd:YAG laser.
    f"{SPC}/RAMAN.SPC": Opens(1, 3632, (-3005.95605, 3996.82324), 1e7 / 9395),
    f"{SPC}/RUBY18.SPC": Asks("absolute cm⁻¹", Opens(1, 501, per_cm(785, 14700, 14200), 785)),
    f"{SPC}/TS01.SPC": Asks("in nm", Opens(1, 131, nm(785, 790, 920), 785)),
    f"{SPC}/kry2.spc": Asks("absolute cm⁻¹", Opens(1, 151, per_cm(785, 15590, 15575), 785)),
    f"{SPC}/m_evenz.spc": Refused("absorbance spectrum"),
    f"{SPC}/m_xyxy.spc": Refused("mass spectrum"),
    f"{SPC}/nir.spc": Refused("reflectance spectrum"),
    f"{SPC}/s_evenx.spc": Refused("absorbance spectrum"),
    f"{SPC}/s_xy.spc": Refused("course over time"),
    "instrument_files/wdf_other/single-spectrum_undefined-type.wdf": Opens(
        1, 1015, (78.7285, 1338.3), None, None, TIMED
    ),
    "instrument_files/wdf_other/sp.wdf": Opens(1, 1015, (1226.2753, 2787.5144), 532.2501, None, TIMED),
    "serum_covid/original_covid_and_healthy_spectra.csv": Opens(
        309, 900, (400, 2112), columns=("diagnostic",)
    ),
    # Groups of name, x, y; most are shifted against each other by a few points and end in NaN.
    f"{SWCNT}/RamanFilmSamples_GDBand_514nm.csv": Opens(
        6, 959, (1241.58, 1679.22), columns=("name",), warning=INTERPOLATED
    ),
    f"{SWCNT}/RamanFilmSamples_GDBand_561nm.csv": Opens(
        6, 1816, (1275.54, 1928.02), columns=("name",), warning=INTERPOLATED
    ),
    f"{SWCNT}/RamanFilmSamples_RBM_514nm.csv": Opens(
        6, 903, (62.984, 537.232), columns=("name",), warning=INTERPOLATED
    ),
    f"{SWCNT}/RamanMetallicFilmSamples_RBM_561nm.csv": Opens(
        2, 1024, (75.90234, 516.58008), columns=("name",), warning=NO_UNIT
    ),
    f"{SWCNT}/RamanSemicondFilmSamples_RBM_561nm.csv": Opens(
        4, 958, (95.1016, 507.0762), columns=("name",), warning=INTERPOLATED
    ),
    f"{SWCNT}/RamanSolutionSamples_GDBand_514nm.csv": Opens(
        3, 1024, (1222.74219, 1689.36133), columns=("name",), warning=NO_UNIT
    ),
    f"{SWCNT}/RamanSolutionSamples_RBM_514nm.csv": Opens(
        3, 972, (22.7422, 533.6797), columns=("name",), warning=INTERPOLATED
    ),
    f"{SWCNT}/RamanTestSamples_GBandCarbyneRegion_650nm.csv": Opens(
        2, 1702, (1494.702, 1894.2686), columns=("name",), warning=INTERPOLATED
    ),
    # Two scans stitched at 1691.06 cm-1, which stands there twice.
    f"{SWCNT}/RamanTestSamples_GDBand_570nm.csv": Opens(
        2, 2728, (1073.502, 2002.6611), columns=("name",), warning="at the same Raman shift were averaged"
    ),
    f"{SWCNT}/RamanTestSamples_GDBand_650nm.csv": Opens(
        2, 1708, (1223.5322, 1646.2402), columns=("name",), warning=INTERPOLATED
    ),
    f"{SWCNT}/RamanTestSamples_RBM_570nm.csv": Opens(
        2, 1799, (45.4414, 780.5449), columns=("name",), warning=INTERPOLATED
    ),
    f"{SWCNT}/RamanTestSamples_RBM_650nm.csv": Opens(
        2, 1329, (120.5264, 519.8887), columns=("name",), warning=INTERPOLATED
    ),
}
