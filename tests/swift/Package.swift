// swift-tools-version:6.0
//
// The tests of `ios/` on Linux. A package of its own: whoever adds Pocketchart to an app gets no tests and no fakes.
import PackageDescription

let library: [Target.Dependency] = [.product(name: "Pocketchart", package: "ios")]

let package = Package(
    name: "PocketchartTests",
    dependencies: [.package(path: "../../ios")],
    targets: [
        // A real hub and real vaults, for the tests of the library.
        .target(name: "Clinic", dependencies: library),
        .testTarget(name: "GateTests", dependencies: library + ["Clinic"]),
        .testTarget(name: "LibraryTests", dependencies: library + ["Clinic"]),
        // By itself: it looks at counters of the whole process.
        .testTarget(name: "LeakTests", dependencies: library + ["Clinic"]),
        .testTarget(name: "ScenarioTests", dependencies: library + ["Clinic"]),
        .testTarget(name: "GuideTests", dependencies: library + ["Clinic"]),
    ],
    swiftLanguageModes: [.v6]
)
