package android.content.pm;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public class PackageItemInfo {

}
