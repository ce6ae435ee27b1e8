// swift-tools-version:6.0
//
// The phones' library for Apple's systems, and on Linux for its tests.
//
// `PocketchartFFI` and `CPocketchart.h` are generated from the Rust library and not in the repository. On a Mac the
// library comes as an XCFramework beside this file; on Linux it is linked from where cargo put it
// (`swift build -Xlinker -Ltarget/debug`).
import PackageDescription

#if os(Linux)
let library = Target.systemLibrary(name: "CPocketchart")
#else
let library = Target.binaryTarget(name: "CPocketchart", path: "CPocketchart.xcframework")
#endif

let package = Package(
    name: "Pocketchart",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "Pocketchart", targets: ["Pocketchart"])],
    targets: [
        library,
        // Generated code with an async foreign trait crashes the compiler in Swift 6 mode (6.0.3).
        .target(name: "PocketchartFFI", dependencies: ["CPocketchart"], swiftSettings: [.swiftLanguageMode(.v5)]),
        .target(name: "Pocketchart", dependencies: ["PocketchartFFI"]),
    ],
    swiftLanguageModes: [.v6]
)
